"""A run of WOFOST 7.2 (van Diepen et al. 1989, Soil Use and Management 5:16)."""

import sqlite3
import warnings
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from models.wofost.errors import SettingUnknown, SimulationFailed
from models.wofost.package import pcse_module

__all__ = ["Growing", "Parameters", "Run", "reference_maize", "simulate", "start"]

Mode = Literal["potential", "water_limited"]

_MODELS = {"potential": "Wofost72_PP", "water_limited": "Wofost72_WLP_CWB"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """Parameters by WOFOST's names, as ``pcse.input`` or a file of one's own has them.

    ``changes`` go before the other three, for example the temperature sums of a local
    variety: ``{"TSUM1": 850, "TSUM2": 900}``.
    """

    crop: Mapping[str, Any]
    soil: Mapping[str, Any]
    site: Mapping[str, Any]
    changes: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Growing:
    """When the crop grows: from sowing or emergence to maturity or `end`.

    Raises
    ------
    SettingUnknown
        It ends before it begins.
    """

    start: date
    end: date
    begins: Literal["sowing", "emergence"] = "emergence"
    crop: str = "maize"

    def __post_init__(self) -> None:
        if self.end <= self.start:
            raise SettingUnknown(
                f"the crop cannot end on {self.end}, it begins on {self.start}: give a"
                f" later end · 结束日期 {self.end} 应晚于起始日期 {self.start}"
            )


@dataclass(frozen=True, slots=True)
class Run:
    """What a run gave.

    Attributes
    ----------
    storage
        kg/ha of dry storage organs (TWSO): for grain maize the grain.
    biomass
        kg/ha of dry matter above ground (TAGP).
    peak_lai
        Largest leaf area index.
    matured
        Day of maturity; None where the season ended first.
    daily
        A row a day with WOFOST's output variables.
    """

    storage: float
    biomass: float
    peak_lai: float
    matured: date | None
    daily: pd.DataFrame

    def yield_t_ha(self, *, moisture: float = 14.0) -> float:
        """Grain at a moisture in % of the wet mass, t/ha."""
        return self.storage / 1000 / (1 - moisture / 100)


def simulate(
    parameters: Parameters,
    weather: Any,  # noqa: ANN401
    growing: Growing,
    *,
    mode: Mode,
) -> Run:
    """Run a season.

    Parameters
    ----------
    parameters
        Of crop, soil and site.
    weather
        ``CountyWeather.provider``, or any provider of pcse.
    growing
        The season.
    mode
        "potential" (PP), or "water_limited" (WLP, classic water balance).

    Raises
    ------
    WofostMissing
        The package is not installed.
    SettingUnknown
        A mode or a changed parameter that is not known.
    SimulationFailed
        Weather or parameters are missing, or nothing was harvested.
    """
    engine = start(parameters, weather, growing, mode=mode)
    with failures():
        engine.run_till_terminate()
    return finished(engine)


def start(
    parameters: Parameters,
    weather: Any,  # noqa: ANN401
    growing: Growing,
    *,
    mode: Mode,
) -> Any:  # noqa: ANN401
    """Return the engine of a run on its first day, see `simulate`."""
    if mode not in _MODELS:
        raise SettingUnknown(
            f"mode {mode!r}: potential or water_limited"
            f" · 模式 {mode} 无效，可用：potential、water_limited"
        )
    model = getattr(pcse_module("pcse.models"), _MODELS[mode])
    provider = pcse_module("pcse.base").ParameterProvider(
        cropdata=dict(parameters.crop),
        soildata=dict(parameters.soil),
        sitedata=dict(parameters.site),
    )
    for name, value in parameters.changes.items():
        if name not in provider:
            raise SettingUnknown(
                f"parameter {name!r} is none of this crop, soil or site"
                f" · 参数 {name} 不属于该作物、土壤或站点"
            )
        provider.set_override(name, value)
    with failures():
        return model(provider, weather, _calendar(growing))


@contextmanager
def failures() -> Iterator[None]:
    """Tell an error of pcse as `SimulationFailed`, and nothing of its own warnings."""
    known = pcse_module("pcse.exceptions").PCSEError
    try:
        with warnings.catch_warnings():
            # Of traitlets, and of files that it leaves to the garbage collector.
            warnings.simplefilter("ignore", DeprecationWarning)
            warnings.simplefilter("ignore", ResourceWarning)
            yield
    except known as exc:
        raise SimulationFailed(
            f"WOFOST stopped: {exc}. Look at parameters, weather and season"
            " · WOFOST 运行中断，请检查参数、气象数据和生长季"
        ) from exc


def finished(engine: Any) -> Run:  # noqa: ANN401
    """Tell the outcome of an engine that has run to its end."""
    summary = engine.get_summary_output()
    daily = pd.DataFrame(engine.get_output())
    if not summary or summary[0]["TWSO"] is None:
        raise SimulationFailed(
            "WOFOST came to no harvest: the season ends before the crop emerges"
            " · WOFOST 未得到收获量：生长季在出苗前已结束"
        )
    told = summary[0]
    return Run(
        storage=float(told["TWSO"]),
        biomass=float(told["TAGP"]),
        peak_lai=float(told["LAIMAX"]),
        matured=told["DOM"],
        daily=daily,
    )


def reference_maize(**changes: float) -> Parameters:
    """Grain maize of pcse's own reference case, with its soil and site.

    A European variety: for Jilin give temperature sums (``TSUM1``, ``TSUM2``) of local
    ones. Read from the installed package; Heitu ships no parameters of its own.
    """
    cases = pcse_module("pcse.tests.db_input")
    with closing(_reference_cases()) as conn, warnings.catch_warnings():
        # Its own log calls are of a deprecated spelling.
        warnings.simplefilter("ignore", DeprecationWarning)
        return Parameters(
            crop=cases.fetch_cropdata(conn, 31031, 2000, 2),
            soil=cases.fetch_soildata(conn, 31031),
            site=cases.fetch_sitedata(conn, 31031, 2000),
            changes=changes,
        )


def _reference_cases() -> Any:  # noqa: ANN401
    home = Path(pcse_module("pcse.settings").settings.PCSE_USER_HOME)
    conn = sqlite3.connect(home / "pcse.db")
    conn.row_factory = pcse_module("pcse.tests.run_wofost").namedtuple_factory
    return conn


def _calendar(growing: Growing) -> list[dict[date, dict[str, Any]]]:
    return [
        {
            growing.start: {
                "CropCalendar": {
                    "crop_name": growing.crop,
                    "variety_name": growing.crop,
                    "crop_start_date": growing.start,
                    "crop_start_type": growing.begins,
                    "crop_end_date": growing.end,
                    "crop_end_type": "earliest",
                    "max_duration": 300,
                },
                "TimedEvents": None,
                "StateEvents": None,
            }
        }
    ]
