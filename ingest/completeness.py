"""What of a county and a dekad is there: expected, present, and how much of it clear.

Expected is what the catalogues have said they hold (`ingest.searches`); where nobody
has asked them, nothing is known and nothing is claimed.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final

import numpy as np
import pystac
import shapely

from ingest.plan import CLIP, acquisitions_of
from ingest.searches import CLOUDY, Search
from raster.coverage import coverage
from raster.errors import AssetMissing, SettingInvalid
from raster.grid import ALBERS_CHINA, geobox_for
from raster.mission import mission_of
from raster.season import season
from raster.selection import acquired_on
from raster.step import TimeStep, dekads
from raster.zone_sums import zone_statistics

__all__ = ["MISSIONS", "DekadReport", "completeness"]

MISSIONS: Final = ("sentinel-2", "landsat", "hls")
"""Names that a collection of the mission has in it."""

# A scene that reaches this share of a county or less is not missed there.
EDGE: Final = 1e-3
# A search for the place may have lost a sliver to rounded coordinates.
WHOLE: Final = 0.999
# Clear shares are looked at through overviews: no more is needed to count clouds.
RESOLUTION: Final = 250.0

# Degrees: coordinates are written with so many digits.
_ROUNDING: Final = 1e-6
_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class DekadReport:
    """One dekad of one place.

    Attributes
    ----------
    step : TimeStep
        The dekad.
    expected : int or None
        Acquisitions that catalogues have and that were not left out for their cloud;
        None when no search covers the whole place and dekad.
    cloudy : int or None
        Acquisitions left out for their cloud; None as above.
    present : int
        Acquisitions in the archive.
    missing : tuple of str
        Ids of those expected and not in the archive, not with the whole place, or not
        with red and near infrared; and of scenes that had to be refused.
    clear_share : float or None
        Share of the place's area seen clear at least once, 0 to 1; None when nothing
        is present whose clouds are known.
    simulated : bool
        Whether anything present is simulated.
    """

    step: TimeStep
    expected: int | None
    cloudy: int | None
    present: int
    missing: tuple[str, ...]
    clear_share: float | None
    simulated: bool

    @property
    def complete(self) -> bool | None:
        """Whether all that is expected is there; None when that is not known."""
        return None if self.expected is None else not self.missing


def completeness(
    items: Iterable[pystac.Item],
    searches: Sequence[Search],
    place: shapely.Geometry,
    *,
    start: date,
    end: date,
    mission: str = "sentinel-2",
) -> list[DekadReport]:
    """Report every dekad of a period for one place.

    Parameters
    ----------
    items : iterable of pystac.Item
        Scenes of the archive, of that time and more; their masks are read at 250 m.
    searches : sequence of Search
        As `read_searches` gives them.
    place : Polygon or MultiPolygon
        EPSG:4326, degrees.
    start, end : date
        The dekads that touch this period are reported. A search made before a dekad
        was over does not speak for all of it.

    mission : str
        One of `MISSIONS`: a search for radar says nothing of optical scenes.

    Raises
    ------
    SettingInvalid
        There is no such mission.
    SceneUnreadable
        A mask cannot be read: `heitu archive verify` names it.
    """
    if mission not in MISSIONS:
        raise SettingInvalid(
            f"no mission {mission!r}: take one of {', '.join(MISSIONS)}"
            f" · 没有 {mission}，可选 {'、'.join(MISSIONS)}"
        )
    searches = [one for one in searches if mission in one.collection]
    steps = dekads(start, end)
    first, last = steps[0].start, steps[-1].end
    held = [
        item
        for item in items
        if first <= acquired_on(item) <= last
        and _is_of(item, mission)
        and _reaches(item, place)
    ]
    listed = [
        item
        for search in searches
        for item in search.items
        if first <= acquired_on(item) <= last and _reaches(item, place)
    ]
    groups = acquisitions_of(listed, held)
    clear = _clear_shares(held, place, steps)
    ours = {id(item) for item in held}
    return [
        _report(
            step,
            groups,
            ours,
            place,
            clear.get(step),
            known=_known(searches, place, step),
            refused=_refused(searches, step),
        )
        for step in steps
    ]


def _report(
    step: TimeStep,
    groups: Iterable[tuple[pystac.Item, ...]],
    ours: set[int],
    place: shapely.Geometry,
    clear: float | None,
    *,
    known: bool,
    refused: set[str],
) -> DekadReport:
    present: list[pystac.Item] = []
    missing = sorted(refused)
    cloudy = 0
    for group in groups:
        if not step.start <= acquired_on(group[0]) <= step.end:
            continue
        held = [item for item in group if id(item) in ours]
        reach = shapely.union_all([_footprint(item) for item in group])
        if any(_holds(item, place, reach) for item in held):
            present.append(held[0])
        elif all(item.properties.get(CLOUDY) for item in group):
            cloudy += 1
        else:
            missing.append(group[0].id)
    return DekadReport(
        step=step,
        expected=len(present) + len(missing) if known else None,
        cloudy=cloudy if known else None,
        present=len(present),
        missing=tuple(sorted(missing)),
        clear_share=clear,
        simulated=any(
            item.properties.get("heitu:simulated") is True for item in present
        ),
    )


def _refused(searches: Iterable[Search], step: TimeStep) -> set[str]:
    """Scenes of a dekad that could not be used; of a day that no name tells, of all."""
    return {
        name
        for search in searches
        for name, day in search.refused
        if search.start <= step.end
        and search.end >= step.start
        and (day is None or step.start <= day <= step.end)
    }


def _known(searches: Iterable[Search], place: shapely.Geometry, step: TimeStep) -> bool:
    """Whether one search asked for all of a place and a dekad, after its end."""
    over = datetime.combine(step.end + _DAY, datetime.min.time(), UTC)
    return any(
        search.start <= step.start
        and search.end >= step.end
        and search.searched >= over
        and _share(place, search.where) >= WHOLE
        for search in searches
    )


def _reaches(item: pystac.Item, place: shapely.Geometry) -> bool:
    return item.geometry is not None and _share(place, _footprint(item)) > EDGE


def _clear_shares(
    items: Sequence[pystac.Item], place: shapely.Geometry, steps: Sequence[TimeStep]
) -> dict[TimeStep, float]:
    """Share of a place seen clear at least once, by dekads with a scene."""
    if not items:
        return {}
    grid = geobox_for(place.bounds, crs=ALBERS_CHINA, resolution=RESOLUTION)
    first, last = steps[0].start, steps[-1].end
    seen = season(items, grid, start=first, end=last, variables=("clear_count",))
    clear = (seen["clear_count"].compute().to_numpy() > 0).astype(np.uint8)
    shares = zone_statistics(clear, coverage(grid, [place]))["mean"].to_numpy()[0]
    days = {acquired_on(item) for item in items}
    return {
        step: float(share)
        for step, share in zip(steps, shares, strict=True)
        if any(step.start <= day <= step.end for day in days)
    }


def _is_of(item: pystac.Item, mission: str) -> bool:
    try:
        return mission_of(item).name.startswith(mission)
    except AssetMissing:
        return False


def _holds(item: pystac.Item, place: shapely.Geometry, reach: shapely.Geometry) -> bool:
    """Whether an item serves a season of the place, as far as its scene reaches."""
    known = mission_of(item)
    if not all(item.assets.keys() & set(known.bands[letter]) for letter in ("R", "N")):
        return False
    clip = item.properties.get(CLIP)
    if clip is None:
        return True
    wanted = shapely.box(*place.bounds).intersection(shapely.box(*reach.bounds))
    return bool(shapely.box(*clip).buffer(_ROUNDING).covers(wanted))


def _footprint(item: pystac.Item) -> shapely.Geometry:
    return shapely.geometry.shape(item.geometry)


def _share(place: shapely.Geometry, other: shapely.Geometry) -> float:
    """Share of a place that another geometry covers; degrees do, places are small."""
    return float(shapely.intersection(place, other).area / place.area)
