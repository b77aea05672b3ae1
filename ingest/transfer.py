"""Carry out a plan: several scenes at once, each into the archive as it is whole.

Finished bands wait in a folder of their scene until all are there; a run that is
killed, cut off or put off goes on from them. A scene is in the archive with all its
bands or not at all, and one scene that fails keeps no other from coming.
"""

import hashlib
import json
import shutil
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from threading import Event, Lock
from typing import Any, Final

import rasterio
from odc.geo.geobox import GeoBox
from pystac.utils import str_to_datetime
from rasterio.errors import RasterioError

from ingest.archive import Archive
from ingest.band import BandFile
from ingest.errors import ArchiveFull, IngestError
from ingest.http import shown
from ingest.offer import Fetcher, SceneOffer
from ingest.plan import Entry, Plan, carried
from ingest.source_errors import SourceStopped
from raster.errors import DiskFull, RasterError
from raster.product_lock import only_one

__all__ = ["Failure", "Outcome", "carry_out", "staging"]

# More would only make a server say 429.
WORKERS: Final = 4


@dataclass(frozen=True, slots=True)
class Failure:
    """A scene that did not come, and why; `reason` is in English and Chinese."""

    item_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a plan: every scene to come is in exactly one of two lists."""

    added: tuple[str, ...]
    failures: tuple[Failure, ...]


def carry_out(
    plan: Plan,
    source: Fetcher,
    archive: Archive,
    *,
    folder: Path,
    workers: int = WORKERS,
    progress: Callable[[int, int], None] | None = None,
    stop: Event | None = None,
) -> Outcome:
    """Fetch every scene to come.

    Parameters
    ----------
    plan : Plan
        Made for this source and this archive.
    source : Source
        Fetches the bands; called from several threads.
    archive : Archive
        Takes the scenes.
    folder : Path
        On this machine: finished bands wait here for the rest of their scene, of this
        run or the next.
    workers : int
        Scenes fetched at once.
    progress : callable, optional
        Called with (bands done, bands in all), by one thread at a time.
    stop : Event, optional
        Once set, no further band is begun.

    Returns
    -------
    Outcome
        A scene that another process is fetching is among the failures, unless that
        process has finished it meanwhile.

    Raises
    ------
    raster.errors.DiskFull, ArchiveFull
        Nothing more can come; what is there is whole.
    """
    task = _Task(source, archive, folder, _Ticks(plan, progress), stop or Event())
    added: list[str] = []
    failures: list[Failure] = []
    with ThreadPoolExecutor(workers, thread_name_prefix="ingest") as pool:
        jobs = {pool.submit(task.bring, entry): entry for entry in plan.to_come}
        # Broken off, what waits is not begun, and what runs ends with its piece.
        with ExitStack() as broken_off:
            broken_off.callback(pool.shutdown, wait=False, cancel_futures=True)
            broken_off.callback(task.stop.set)
            for job in as_completed(jobs):
                reason = _reason(job)
                entry = jobs[job]
                if reason is None:
                    added.append(entry.offer.item_id)
                else:
                    failures.append(Failure(entry.offer.item_id, reason))
            broken_off.pop_all()
    return Outcome(tuple(sorted(added)), tuple(failures))


@dataclass(frozen=True, slots=True)
class _Ticks:
    """Counts bands; what came before a failure stays counted."""

    plan: Plan
    progress: Callable[[int, int], None] | None
    lock: Lock = field(default_factory=Lock)
    done: list[str] = field(default_factory=list)

    def tick(self, key: str) -> None:
        with self.lock:
            self.done.append(key)
            if self.progress is not None:
                bands = sum(len(entry.offer.bands) for entry in self.plan.to_come)
                self.progress(len(self.done), bands)


@dataclass(frozen=True, slots=True)
class _Task:
    """What all scenes of a run share."""

    source: Fetcher
    archive: Archive
    folder: Path
    ticks: _Ticks
    stop: Event

    def bring(self, entry: Entry) -> None:
        """Fetch one scene and take it into the archive."""
        offer = entry.offer
        place = staging(self.folder, entry)
        place.mkdir(parents=True, exist_ok=True)
        with only_one(place):
            # Another process may have brought it since the plan was made.
            if entry.replaces or not self.archive.has(offer.collection, offer.item_id):
                files = {key: self._band(entry, key, place) for key in offer.bands}
                self._add(entry, files)
            shutil.rmtree(place, ignore_errors=True)

    def _band(self, entry: Entry, key: str, place: Path) -> BandFile:
        if self.stop.is_set():
            raise SourceStopped(
                "stopped; run again to go on · 已停止，重新运行即可继续",
                href=shown(entry.offer.bands[key].href),
            )
        band = _waiting(entry.offer, key, place) or self.source.fetch(
            entry.offer, key, clip=entry.clip, folder=place
        )
        self.ticks.tick(key)
        return replace(band, source=entry.offer.bands[key].origin)

    def _add(self, entry: Entry, files: Mapping[str, BandFile]) -> None:
        offer = entry.offer
        properties = carried(offer, entry.clip)
        span = _interval(properties)
        self.archive.add_files(
            collection=offer.collection,
            item_id=offer.item_id,
            acquired=None if span else offer.acquired,
            interval=span,
            geobox=_finest(files.values()),
            files=files,
            properties=properties,
            footprint=offer.footprint,
            replace=entry.replaces,
        )


def staging(folder: Path, entry: Entry) -> Path:
    """Folder in which the bands of one scene wait; another clip waits elsewhere."""
    offer = entry.offer
    what = json.dumps([offer.source, offer.collection, offer.item_id, entry.clip])
    return folder / f"{offer.item_id}-{hashlib.sha256(what.encode()).hexdigest()[:12]}"


def _reason(job: Future[None]) -> str | None:
    """Why a scene did not come, None if it did; a full disk ends the whole run."""
    try:
        job.result()
    except (DiskFull, ArchiveFull):
        raise
    except (IngestError, RasterError, OSError) as exc:
        return str(exc)
    return None


def _waiting(offer: SceneOffer, key: str, place: Path) -> BandFile | None:
    """Give a band that a run before has finished: COGs are written whole or not."""
    path = place / f"{key}.tif"
    if not path.exists():
        return None
    try:
        with rasterio.open(path) as file:
            grid = GeoBox(file.shape, file.transform, file.crs.to_wkt())
            dtype = str(file.dtypes[0])
    except RasterioError:
        return None
    band = offer.bands[key]
    return BandFile(
        path=path,
        geobox=grid,
        dtype=dtype,
        nodata=band.nodata,
        scale=band.scale,
        offset=band.offset,
    )


def _finest(files: Iterable[BandFile]) -> GeoBox:
    return min((file.geobox for file in files), key=lambda grid: abs(grid.affine.a))


def _interval(properties: Mapping[str, Any]) -> tuple[datetime, datetime] | None:
    """Give the time range of a composite, None for a scene of one moment."""
    ends = [properties.get(name) for name in ("start_datetime", "end_datetime")]
    if not all(isinstance(end, str) for end in ends):
        return None
    first, last = (str_to_datetime(str(end)) for end in ends)
    return first, last
