"""A few counties with ten years of statistics, weather and seasons."""

from datetime import UTC, date, datetime
from typing import Any

import numpy as np
import pandas as pd

from store import Store, features, runs, statistics, weather
from store.statistics import CountyStatistic

CODES = ("220322", "220323", "220381", "220382", "220421", "220422")
YEARS = range(2016, 2026)
YEAR = 2026
AUGUST = date(YEAR, 8, 31)

# A year's common luck and a county's own level, t/ha.
LUCK = np.array([0.3, -0.6, 0.5, -0.2, 0.7, -0.9, 0.1, 0.4, -0.3, 0.6])
LEVEL = np.array([9.0, 7.5, 8.0, 6.5, 7.0, 8.5])


def yield_of(place: int, year: int) -> float:
    own = 0.1 * (((place + 1) * (year - 2010)) % 5 - 2)
    return round(float(LEVEL[place] + LUCK[year - YEARS[0]] + own), 3)


def a_statistic(place: int, year: int, **changes: Any) -> CountyStatistic:
    parts: dict[str, Any] = {
        "county": CODES[place],
        "crop": "maize",
        "year": year,
        "yield_t_ha": yield_of(place, year) if year in YEARS else 8.0,
        "area_ha": 100_000.0 + 1_000 * ((place + year) % 3),
        "source": "yearbook · 年鉴",
        "simulated": False,
    }
    return CountyStatistic(**{**parts, **changes})


def put_statistics(store: Store) -> None:
    with store.connection() as conn:
        rows = [a_statistic(p, y) for p in range(len(CODES)) for y in YEARS]
        statistics.put(conn, rows)


def put_weather(store: Store, *, last: date = date(YEAR, 10, 31)) -> None:
    """Weather that tells nothing of the yields; up to a day of the last year."""
    rng = np.random.default_rng(2)
    frames = []
    for year in (*YEARS, YEAR):
        days = pd.date_range(f"{year}-05-01", min(date(year, 10, 31), last))
        low = rng.normal(15, 3, len(days))
        plain = pd.DataFrame(
            {
                "day": days,
                "tmin": low,
                "tmax": low + 10,
                "precipitation": rng.gamma(1.0, 3.0, len(days)),
                "radiation": 16.0,
                "simulated": False,
                "source": "test",
            }
        )
        frames += [plain.assign(county=code) for code in CODES]
    with store.connection() as conn:
        weather.put(conn, pd.concat(frames))


def put_seasons(
    store: Store, *, years: tuple[int, ...] = (*YEARS, YEAR), scenes: int = 9
) -> dict[int, str]:
    """Open seasons whose greenness follows the luck of the year."""
    made = {}
    for year in years:
        run = _season_run(year, scenes=scenes)
        luck = LUCK[year - YEARS[0]] if year in YEARS else 0.0
        frame = pd.DataFrame(
            {
                "county": CODES,
                "crop": "maize",
                "peak": 0.8 + 0.02 * luck,
                "integral": 80 + 4 * luck,
                "latest": 0.7 + 0.03 * luck,
                "sos": np.nan,
                "pos": np.nan,
                "eos": np.nan,
                "pixels": 100,
                "clear_share": 0.5,
            }
        )
        with store.connection() as conn:
            runs.save(conn, run)
            features.put(conn, frame, run_id=run.run_id, year=year)
        made[year] = run.run_id
    return made


def a_production(*surveys: str) -> runs.Run:
    """A run of production that read these surveys of areas."""
    read = {f"areas/{name}": name for name in surveys}
    return _run("county-production", {"yields": "y", "statistics": "s"} | read)


def _season_run(year: int, *, scenes: int) -> runs.Run:
    inputs = {f"scene-{year}-{i}": f"sha{i}" for i in range(scenes)}
    return _run(
        "season", inputs | {"counties": "outlines", "crop-map-1km": "map"}, year=year
    )


def _run(kind: str, inputs: dict[str, str], *, year: int = YEAR) -> runs.Run:
    parts: dict[str, Any] = {
        "kind": kind,
        "inputs": inputs,
        "parameters": {"year": year},
        "code_version": "1",
        "model_version": None,
    }
    now = datetime(YEAR, 9, 1, tzinfo=UTC)
    times: dict[str, Any] = {"started_at": now, "finished_at": now}
    return runs.Run(run_id=runs.run_id_of(**parts), simulated=False, **parts, **times)
