"""Carry out a plan: several scenes at once, each into the archive as it is whole.

Finished bands wait in a folder of their scene until all are there; a run that is
killed, cut off or put off goes on from them. A scene is in the archive with all its
bands or not at all, and one scene that fails keeps no other from coming.
"""

import hashlib
import json
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field, replace
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
from ingest.errors import ArchiveFull, IngestError, ItemInvalid, ItemUnknown
from ingest.http import shown
from ingest.offer import Fetcher, SceneOffer
from ingest.plan import Entry, Plan, carried, joined, serves
from ingest.source_errors import SceneBusy, SourceStopped
from raster.errors import DiskFull, ProductBusy, RasterError
from raster.files import FULL, replace_file, sha256
from raster.product_lock import only_one

__all__ = ["Failure", "Outcome", "add", "carry_out", "claimed", "staging"]

# More would only make a server say 429.
WORKERS: Final = 4


@dataclass(frozen=True, slots=True)
class Failure:
    """A scene that did not come, and why; `reason` is in English and Chinese."""

    item_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a plan: every scene to come is in exactly one of three lists.

    Attributes
    ----------
    added : tuple of str
        Ids of scenes that this run brought.
    present : tuple of str
        Ids of scenes that another run had brought meanwhile.
    failures : tuple of Failure
        Scenes that did not come.
    """

    added: tuple[str, ...]
    present: tuple[str, ...]
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
        A scene that another process is just fetching is among the failures.

    Raises
    ------
    raster.errors.DiskFull, ArchiveFull
        Nothing more can come; what is there is whole.
    """
    task = _Task(source, archive, folder, _Ticks(plan, progress), stop or Event())
    added: list[str] = []
    present: list[str] = []
    failures: list[Failure] = []
    with ThreadPoolExecutor(workers, thread_name_prefix="ingest") as pool:
        jobs = {pool.submit(task.bring, entry): entry for entry in plan.to_come}
        # Broken off, what waits is not begun, and what runs ends with its piece.
        with ExitStack() as broken_off:
            broken_off.callback(pool.shutdown, wait=False, cancel_futures=True)
            broken_off.callback(task.stop.set)
            for job in as_completed(jobs):
                item_id = jobs[job].offer.item_id
                reason = _reason(job)
                if reason is not None:
                    failures.append(Failure(item_id, reason))
                else:
                    (added if job.result() else present).append(item_id)
            broken_off.pop_all()
    return Outcome(tuple(sorted(added)), tuple(sorted(present)), tuple(failures))


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
                bands = sum(len(entry.keys) for entry in self.plan.to_come)
                self.progress(len(self.done), bands)


@dataclass(frozen=True, slots=True)
class _Task:
    """What all scenes of a run share."""

    source: Fetcher
    archive: Archive
    folder: Path
    ticks: _Ticks
    stop: Event

    def bring(self, entry: Entry) -> bool:
        """Fetch one scene into the archive; False when another run has done it."""
        with claimed(self.folder, entry):
            now = self._now(entry)
            if now is not None:
                self._fetch(now)
        return now is not None

    def _now(self, entry: Entry) -> Entry | None:
        """Look again: another run may have brought the scene, or a part of it."""
        offer = entry.offer
        try:
            held = self.archive.item(offer.collection, offer.item_id)
        except (ItemUnknown, ItemInvalid):
            return entry
        return None if serves(held, entry) else joined(entry, held)

    def _fetch(self, entry: Entry) -> None:
        place = staging(self.folder, entry)
        place.mkdir(parents=True, exist_ok=True)
        files = {key: self._band(entry, key, place) for key in entry.keys}
        add(self.archive, entry, files)
        shutil.rmtree(place, ignore_errors=True)

    def _band(self, entry: Entry, key: str, place: Path) -> BandFile:
        offer = entry.needed
        if self.stop.is_set():
            raise SourceStopped(
                "stopped; run again to go on · 已停止，重新运行即可继续",
                href=shown(offer.bands[key].href),
            )
        band = _waiting(offer, key, place)
        if band is None:
            band = self.source.fetch(offer, key, clip=entry.clip, folder=place)
            _note(band.path)
        self.ticks.tick(key)
        return replace(band, source=offer.bands[key].origin)


@contextmanager
def claimed(folder: Path, entry: Entry) -> Iterator[None]:
    """Keep a scene from every other run, whatever part of it that one wants.

    Raises
    ------
    SceneBusy
        Another run has it.
    """
    offer = entry.offer
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with only_one(folder / f"{offer.collection}-{offer.item_id}"):
            yield
    except ProductBusy as exc:
        raise SceneBusy(
            f"another run (process {exc.pid}) is fetching {offer.item_id}: wait until "
            f"it has ended, then run again · 进程 {exc.pid} 正在获取 {offer.item_id}，"
            "请等其结束后重新运行",
            href=offer.item_id,
        ) from exc


def add(archive: Archive, entry: Entry, files: Mapping[str, BandFile]) -> None:
    """Take the finished bands of a scene into the archive."""
    offer = entry.offer
    properties = carried(offer, entry.clip)
    span = _interval(properties)
    archive.add_files(
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
    """Folder in which the bands of one scene wait.

    Another part of the scene, or a scene that its source describes otherwise by now,
    waits elsewhere: bands of the two must not come together.
    """
    offer = entry.offer
    bands = [asdict(band) for band in offer.bands.values()]
    what = [offer.source, offer.collection, entry.clip, offer.properties, bands]
    digest = hashlib.sha256(json.dumps(what, default=str).encode()).hexdigest()
    return folder / f"{offer.item_id}-{digest[:12]}"


def _reason(job: Future[bool]) -> str | None:
    """Why a scene did not come, None if it did; a full disk ends the whole run."""
    try:
        job.result()
    except (DiskFull, ArchiveFull):
        raise
    except (IngestError, RasterError) as exc:
        return str(exc)
    except OSError as exc:
        if exc.errno in FULL:
            raise
        return f"{exc}: check the folder of what is incoming · {exc}，请检查暂存目录"
    return None


def _waiting(offer: SceneOffer, key: str, place: Path) -> BandFile | None:
    """Give a band that a run before has finished, if it is still as it was then."""
    path = place / f"{key}.tif"
    note = _note_of(path)
    if not path.exists() or not note.exists() or note.read_text() != sha256(path):
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


def _note(path: Path) -> None:
    """Keep the checksum of a finished band beside it."""
    replace_file(_note_of(path), sha256(path).encode())


def _note_of(path: Path) -> Path:
    return path.with_suffix(".sha256")


def _finest(files: Iterable[BandFile]) -> GeoBox:
    return min((file.geobox for file in files), key=lambda grid: abs(grid.affine.a))


def _interval(properties: Mapping[str, Any]) -> tuple[datetime, datetime] | None:
    """Give the time range of a composite, None for a scene of one moment."""
    ends = [properties.get(name) for name in ("start_datetime", "end_datetime")]
    if not all(isinstance(end, str) for end in ends):
        return None
    first, last = (str_to_datetime(str(end)) for end in ends)
    return first, last
