"""Sentinel Hub behind the interface of a source of scenes."""

import hashlib
import itertools
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from threading import Lock
from typing import Any, Final

import numpy as np
import shapely
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from ingest.band import BandFile
from ingest.offer import BandOffer, Bounds, Found, Refused, SceneOffer, Wanted
from ingest.sentinel_hub.catalog import DATA_PATH, entries, scene_of_entry
from ingest.sentinel_hub.client import HubClient, Line
from ingest.sentinel_hub.errors import (
    HubPieceInvalid,
    HubSettingInvalid,
    HubTileMissing,
)
from ingest.sentinel_hub.evalscript import NATIVE, SCENE_CLASSES, declared
from ingest.sentinel_hub.grid import Piece, epsg_of, in_utm, pieces, tile_grid
from ingest.sentinel_hub.piece import Question, checked
from ingest.sentinel_hub.settings import HubSettings, Patience
from raster.cog import write_cog_blocks
from raster.files import replace_file, reported
from raster.mission import SENTINEL_2

__all__ = ["HubSource"]

_COLLECTIONS: Final = ("sentinel-2-l2a",)
_PIXELS: Final = (10.0, 20.0, 60.0)
# Pixels a side of one request, at most (Process API, output.width and height).
_LIMIT: Final = 2500
# Metres within which a footprint of few corners is not exact.
_MARGIN: Final = 1000.0

Block = tuple[tuple[slice, slice], NDArray[Any]]


class HubSource:
    """Scenes of Sentinel Hub or of the Copernicus Data Space, as a `Source`.

    All bands of an offer that have one pixel size are asked for together, and what
    came is kept beside the bands until the last of them is written: the next band of
    the scene, and the next run after a cut line, pay for nothing twice.

    Parameters
    ----------
    settings
        Account and addresses.
    collection
        "sentinel-2-l2a".
    resolution
        Smallest pixel to ask for, 10, 20 or 60 m. Bands with larger pixels keep them;
        of bands with smaller ones the nearest pixel is taken.
    patience
        Tries and waits.
    piece_size
        Pixels a side of one request, at most 2500.

    Raises
    ------
    HubSettingInvalid
        One of these cannot be used.
    """

    def __init__(
        self,
        settings: HubSettings,
        *,
        collection: str = "sentinel-2-l2a",
        resolution: float = 10.0,
        patience: Patience | None = None,
        piece_size: int = _LIMIT,
    ) -> None:
        _check("collection", collection, collection in _COLLECTIONS, _COLLECTIONS)
        _check("resolution", resolution, resolution in _PIXELS, _PIXELS)
        sizes = (1, _LIMIT)
        _check("piece_size", piece_size, sizes[0] <= piece_size <= sizes[1], sizes)
        self.collection = collection
        self._resolution = resolution
        self._piece_size = piece_size
        self._line = Line(settings, patience or Patience())
        self._guard = Lock()
        self._locks: dict[Path, Lock] = {}

    @property
    def name(self) -> str:
        """Short name, as the command line takes it."""
        return "sentinel-hub"

    def search(self, wanted: Wanted) -> Found:
        """Find all scenes of a place and time; older processings are offered, too.

        Raises
        ------
        HubSettingInvalid
            A letter of `wanted` names no band of the mission.
        SourceError
            The catalogue cannot be asked, or its answer is not complete.
        """
        keys = _keys_of(wanted.bands)
        found = entries(
            self._line,
            self.collection,
            wanted.where.bounds,
            wanted.start,
            wanted.end,
        )
        read = [
            scene_of_entry(entry, self.collection, self.name, keys) for entry in found
        ]
        offers = [
            one
            for one in read
            if isinstance(one, SceneOffer) and _asked_for(one, wanted)
        ]
        offers.sort(key=lambda offer: (offer.acquired, offer.item_id))
        clear = [(offer.cloud_cover or 0.0) <= wanted.max_cloud for offer in offers]
        return Found(
            offers=tuple(itertools.compress(offers, clear)),
            refused=tuple(one for one in read if isinstance(one, Refused)),
            cloudy=tuple(itertools.compress(offers, [not good for good in clear])),
        )

    def fetch(
        self, offer: SceneOffer, key: str, *, clip: Bounds | None, folder: Path
    ) -> BandFile:
        """Write one band as a checked COG ``folder/KEY.tif``; safe for threads.

        The grid is the tile's own, in its UTM zone: uint16 with scale 0.0001 and the
        offset of the offer, uint8 for SCL, 0 = no data.

        Parameters
        ----------
        offer, key
            One of `search`, and one of its bands.
        clip : (west, south, east, north) or None
            Degrees; None = the whole footprint.
        folder
            Exists. Answers stand in its hidden folders ``.hub-10m`` and the like
            until every band of the offer that they hold is written.

        Raises
        ------
        ClipOutside
            Footprint and clip do not meet.
        HubPieceInvalid, HubTileMissing
            The answer is not what was asked for.
        SourceError
            The service refuses, fails or is silent.
        raster.errors.WriteFailed
            The disk takes no more.
        """
        band = _band_of(offer, key)
        pixel = self._pixel(key)
        together = tuple(one for one in offer.bands if self._pixel(one) == pixel)
        geobox = tile_grid(
            offer.footprint,
            _epsg(offer),
            clip,
            pixel=pixel,
            told=offer.item_id,
        )
        kept = folder / f".hub-{pixel:g}m"
        answers = self._answers(offer, together, geobox, kept)
        path = folder / f"{key}.tif"
        write_cog_blocks(
            path,
            _blocks(answers, key),
            geobox,
            dtype=_dtype(key),
            nodata=band.nodata,
            scale=band.scale,
            offset=band.offset,
            overview_resampling="nearest" if key == SCENE_CLASSES else "average",
        )
        if all((folder / f"{one}.tif").exists() for one in together):
            shutil.rmtree(kept, ignore_errors=True)
        return BandFile(
            path=path,
            geobox=geobox,
            dtype=_dtype(key),
            nodata=band.nodata,
            scale=band.scale,
            offset=band.offset,
            source=band.href,
        )

    def _pixel(self, key: str) -> float:
        return max(NATIVE[key], self._resolution)

    def _answers(
        self, offer: SceneOffer, keys: tuple[str, ...], geobox: GeoBox, kept: Path
    ) -> list[tuple[Piece, Question | None, Path]]:
        """Have all answers of a grid on disk, and give where; None = nothing there."""
        footprint = in_utm(offer.footprint, _epsg(offer))
        around, within = footprint.buffer(_MARGIN), footprint.buffer(-_MARGIN)
        meaning = declared(offer.item_id, [offer.bands[key] for key in keys])
        answers: list[tuple[Piece, Question | None, Path]] = []
        with self._lock_of(kept):
            with reported(kept):
                kept.mkdir(exist_ok=True)
            for piece in pieces(geobox, self._piece_size):
                if not around.intersects(piece.box):
                    answers.append((piece, None, kept))
                    continue
                question = Question(
                    told=f"{offer.item_id} {geobox.resolution.x:g} m {piece}",
                    collection=self.collection,
                    acquired=offer.acquired,
                    path=str(offer.properties.get(DATA_PATH, "")),
                    piece=piece,
                    keys=keys,
                    meaning=meaning,
                    has_data=bool(within.intersects(piece.box)),
                )
                answers.append((piece, question, self._answer(question, kept)))
        return answers

    def _answer(self, question: Question, kept: Path) -> Path:
        """Ask, unless the checked answer to this very question is there."""
        request = question.request(self._line.config)
        asked = json.dumps(request.post_values, sort_keys=True)
        path = kept / f"{hashlib.sha256(asked.encode()).hexdigest()[:24]}.tar"
        if not path.exists():
            content = HubClient(self._line, question.told).fetch(request)
            checked(question, content)
            replace_file(path, content)
        return path

    def _lock_of(self, kept: Path) -> Lock:
        with self._guard:
            return self._locks.setdefault(kept, Lock())


def _blocks(
    answers: list[tuple[Piece, Question | None, Path]], key: str
) -> Iterator[Block]:
    for piece, question, path in answers:
        if question is None:
            array = np.zeros(piece.geobox.shape, _dtype(key))
        else:
            try:
                array = checked(question, path.read_bytes())[key]
            except HubPieceInvalid:
                # Damaged on disk since it was checked: the next run asks again.
                path.unlink(missing_ok=True)
                raise
        yield (piece.rows, piece.columns), array


def _dtype(key: str) -> str:
    return "uint8" if key == SCENE_CLASSES else "uint16"


def _epsg(offer: SceneOffer) -> int:
    return epsg_of(str(offer.properties["s2:mgrs_tile"]))


def _asked_for(offer: SceneOffer, wanted: Wanted) -> bool:
    in_time = wanted.start <= offer.acquired.date() <= wanted.end
    return in_time and bool(shapely.intersects(offer.footprint, wanted.where))


def _keys_of(letters: tuple[str, ...]) -> tuple[str, ...]:
    known = SENTINEL_2.bands
    for letter in letters:
        _check("band", letter, letter in known, tuple(known))
    return tuple(known[letter][0] for letter in letters or known)


def _band_of(offer: SceneOffer, key: str) -> BandOffer:
    if key not in offer.bands:
        raise HubTileMissing(
            f"{offer.item_id} is offered without band {key} (it has "
            f"{', '.join(offer.bands)}); search for it"
            f" · {offer.item_id} 的检索结果不含波段 {key}，请在检索时选上",
            href=f"{offer.item_id}#{key}",
        )
    return offer.bands[key]


def _check(name: str, value: object, good: bool, choices: tuple[object, ...]) -> None:
    if not good:
        shown = ", ".join(map(str, choices))
        raise HubSettingInvalid(
            f"{name} {value!r} cannot be asked of Sentinel Hub; choose of {shown}"
            f" · Sentinel Hub 不支持 {name} {value!r}，可选 {shown}"
        )
