"""Weather of places from NASA POWER's server into the store: only what is not there."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date

import pandas as pd

from ingest.errors import IngestError
from ingest.http import Web
from ingest.weather.importing import Account, Put, bring_in
from ingest.weather.places import Places
from ingest.weather.power import PowerFiles
from ingest.weather.power_api import BASE_URL, fetch
from ingest.weather.series import PointSeries
from ingest.weather.table import NUMBERS

__all__ = ["ask_for", "lacking"]


def lacking(
    stored: pd.DataFrame, places: Places, days: Sequence[date]
) -> dict[str, list[date]]:
    """Days of each place that NASA POWER has not given every number of yet.

    Parameters
    ----------
    stored
        Rows of `ingest.weather.table.COLUMNS` that the store has.
    """
    ours = stored["source"].fillna("").str.startswith("NASA POWER")
    whole = ours & ~stored["simulated"] & stored[list(NUMBERS)].notna().all(axis=1)
    pairs = stored.loc[whole, ["place", "day"]].itertuples(index=False)
    there = {(place, moment.date()) for place, moment in pairs}
    return {
        place: [day for day in days if (place, day) not in there]
        for place in places.ids
    }


def ask_for(
    wanted: Mapping[str, Sequence[date]],
    places: Places,
    put: Put,
    *,
    web: Web,
    base_url: str = BASE_URL,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> tuple[Account, list[str]]:
    """Ask for the days that each place lacks, and store them place by place.

    One request a place, from its first to its last day that lacks something; a place
    that fails does not stop the others, and is missing in whole.

    Parameters
    ----------
    wanted
        Days by place, ascending, as of `lacking`.
    put
        Into the store.
    progress
        Called with the places done and all places.

    Returns
    -------
    account, faults
        What came of it, and an error message a place that failed.
    """
    account, faults = Account(), []
    every = zip(places.ids, places.geometries, places.inner_points(), strict=True)
    for done, (place, shape, point) in enumerate(every, 1):
        if days := wanted[place]:
            # Alone: a neighbour's point must not stand in where a request fails.
            answers = PowerFiles()
            try:
                answer = fetch(
                    web, point, start=days[0], end=days[-1], base_url=base_url
                )
                answers.add(answer, path=place)
            except IngestError as exc:
                faults.append(f"{place}: {exc}")
            series = PointSeries(answers, Places((place,), (shape,)))
            account.add(bring_in(series, days, put, wanted=NUMBERS))
        progress(done, len(places.ids))
    return account, faults
