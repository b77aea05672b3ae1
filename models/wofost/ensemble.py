"""WOFOST corrected by observed leaf area: an ensemble Kalman filter.

After de Wit and van Diepen 2007 (Agricultural and Forest Meteorology 146:38): members
with perturbed parameters run side by side; at each observation each member's leaf area
moves towards it, as far as the spread of the members and the error of the observation
allow (Evensen 2003, Ocean Dynamics 53:343).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.wofost.errors import SettingUnknown
from models.wofost.run import Growing, Mode, Parameters, failures, finished, start

__all__ = ["SPREAD", "Ensemble", "LeafArea", "UseStatus", "assimilate", "kalman"]

Float = NDArray[np.float64]

# Relative standard deviations of the members' parameters, assumed: initial weight, life
# of leaves, and the water in the soil at the start.
SPREAD: Mapping[str, float] = {"TDWI": 0.4, "SPAN": 0.15, "WAV": 0.3}

_MIN_MEMBERS = 5
_LEAST_FACTOR = 0.2


class UseStatus(StrEnum):
    """What became of an observation."""

    USED = "used"
    OUTSIDE_SEASON = "outside_season"
    NO_CROP = "no_crop"


@dataclass(frozen=True, slots=True, kw_only=True)
class LeafArea:
    """An observed leaf area index of the crop, with its standard deviation."""

    day: date
    value: float
    sd: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Ensemble:
    """Yields of the members.

    Attributes
    ----------
    yields
        float64 (members,), t/ha at `moisture`.
    mean, sd
        Of the members. The spread is that of the parameters that were perturbed: it
        holds no error of WOFOST itself nor of the weather.
    used
        What became of each observation, in the order of their days.
    matured
        Members that were mature before the season ended.
    """

    yields: Float
    mean: float
    sd: float
    used: tuple[UseStatus, ...]
    moisture: float
    matured: int


def kalman(members: Float, observed: Float, *, sd: float) -> Float:
    """Move each member towards its own perturbed observation.

    ``x + P / (P + sd^2) * (observed - x)`` with P the variance of the members, both
    float64 (members,).
    """
    variance = float(np.var(members, ddof=1))
    gain = variance / (variance + sd**2)
    return np.asarray(members + gain * (observed - members))


def assimilate(
    parameters: Parameters,
    weather: Any,  # noqa: ANN401
    growing: Growing,
    observations: Sequence[LeafArea],
    *,
    mode: Mode,
    members: int = 50,
    spread: Mapping[str, float] = SPREAD,
    moisture: float = 14.0,
    seed: int = 0,
) -> Ensemble:
    """Run an ensemble, correcting its leaf area at each observation.

    Parameters
    ----------
    parameters, weather, growing, mode
        As `models.wofost.simulate`.
    observations
        In any order; none at all gives the free ensemble.
    members
        How many runs, at least 5.
    spread
        Parameter -> relative standard deviation; those the case lacks stay out.
    moisture
        Of the yields, % of the wet mass.
    seed
        Of all random numbers: the same seed, the same yields.

    Raises
    ------
    SettingUnknown
        Too few members, or an observation without value or error.
    WofostMissing, SimulationFailed
    """
    _check(observations, members)
    rng = np.random.default_rng(seed)
    engines = [
        start(one, weather, growing, mode=mode)
        for one in _perturbed(parameters, spread, members, rng)
    ]
    used = []
    for seen in sorted(observations, key=lambda one: one.day):
        if not growing.start <= seen.day <= growing.end:
            used.append(UseStatus.OUTSIDE_SEASON)
            continue
        used.append(_corrected(engines, seen, rng))
    runs = []
    for engine in engines:
        with failures():
            engine.run_till_terminate()
        runs.append(finished(engine))
    yields = np.array([run.yield_t_ha(moisture=moisture) for run in runs])
    return Ensemble(
        yields=yields,
        mean=float(yields.mean()),
        sd=float(yields.std(ddof=1)),
        used=tuple(used),
        moisture=moisture,
        matured=sum(run.matured is not None for run in runs),
    )


def _corrected(
    engines: Sequence[Any], seen: LeafArea, rng: np.random.Generator
) -> UseStatus:
    """Run all members to the day of an observation and correct those with a crop."""
    for engine in engines:
        with failures():
            engine.run_till(seen.day)
    growing = [engine for engine in engines if engine.get_variable("LAI")]
    # A spread needs members; the others are ripe, or have not emerged.
    if len(growing) < _MIN_MEMBERS:
        return UseStatus.NO_CROP
    modelled = np.array([engine.get_variable("LAI") for engine in growing])
    noisy = np.maximum(seen.value + seen.sd * rng.standard_normal(len(growing)), 0)
    for engine, value in zip(
        growing, kalman(modelled, noisy, sd=seen.sd).tolist(), strict=True
    ):
        engine.set_variable("LAI", max(value, 0.01))
    return UseStatus.USED


def _perturbed(
    parameters: Parameters,
    spread: Mapping[str, float],
    members: int,
    rng: np.random.Generator,
) -> list[Parameters]:
    known = {**parameters.site, **parameters.soil, **parameters.crop}
    known |= dict(parameters.changes)
    names = [name for name in spread if isinstance(known.get(name), int | float)]
    factors = 1 + rng.standard_normal((members, len(names))) * [
        spread[name] for name in names
    ]
    return [
        replace(
            parameters,
            changes={
                **parameters.changes,
                **{
                    name: known[name] * max(factor, _LEAST_FACTOR)
                    for name, factor in zip(names, row, strict=True)
                },
            },
        )
        for row in factors.tolist()
    ]


def _check(observations: Sequence[LeafArea], members: int) -> None:
    if members < _MIN_MEMBERS:
        raise SettingUnknown(
            f"{members} members: a spread needs {_MIN_MEMBERS} or more"
            f" · 集合成员 {members} 个太少，至少 {_MIN_MEMBERS} 个"
        )
    for seen in observations:
        if not (0 <= seen.value < 20 and 0 < seen.sd < np.inf):
            raise SettingUnknown(
                f"leaf area {seen.value} +/- {seen.sd} on {seen.day}: give an index "
                "from 0 to 20 and an error above 0"
                f" · {seen.day} 的叶面积指数或其误差无效"
            )
