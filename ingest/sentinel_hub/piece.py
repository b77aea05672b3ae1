"""One request to the Process API, and whether its answer is what was asked for."""

import io
import json
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.errors import RasterioError
from rasterio.io import MemoryFile
from sentinelhub.api.process import SentinelHubRequest
from sentinelhub.config import SHConfig
from sentinelhub.constants import CRS, MimeType
from sentinelhub.download.models import DownloadRequest
from sentinelhub.geometry import BBox

from ingest.sentinel_hub.errors import HubPieceEmpty, HubPieceInvalid, HubTileMissing
from ingest.sentinel_hub.evalscript import (
    MASK,
    META,
    SCENE_CLASSES,
    VALUES,
    evalscript,
    outputs,
)
from ingest.sentinel_hub.grid import Piece

__all__ = ["Question", "checked"]

# The catalogue gives a tile's time to the second; the next pass is days later.
_AROUND = timedelta(minutes=2)
# Of a pixel: what rounding may do to the corner of an answer.
_CORNER = 1e-3
_LAST_CLASS = 11

Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked about one piece of a scene.

    Attributes
    ----------
    told : str
        Scene, pixel size and place, for messages.
    collection : str
        Type of data in the Process API.
    acquired : datetime
        Of the tile, timezone-aware.
    path : str
        Where the service keeps the tile, "" if it is not known.
    piece : Piece
        Place and grid.
    keys : tuple of str
        Bands, SCL possibly among them.
    meaning : mapping
        What the numbers are, as `evalscript.declared` says it.
    has_data : bool
        The footprint says that there are pixels with data.
    """

    told: str
    collection: str
    acquired: datetime
    path: str
    piece: Piece
    keys: tuple[str, ...]
    meaning: Mapping[str, Any]
    has_data: bool

    def request(self, config: SHConfig) -> DownloadRequest:
        """Write the request as the library does; it holds no secret."""
        height, width = self.piece.geobox.shape
        box = self.piece.geobox.boundingbox
        responses = [
            SentinelHubRequest.output_response(name, MimeType.TIFF)
            for name in outputs(self.keys)
        ]
        request = SentinelHubRequest(
            evalscript=evalscript(self.meaning, self.keys, self.path),
            input_data=[self._input()],
            responses=[
                *responses,
                SentinelHubRequest.output_response(META, MimeType.JSON),
            ],
            bbox=BBox(
                (box.left, box.bottom, box.right, box.top),
                CRS(str(_epsg(self.piece))),
            ),
            size=(width, height),
            config=config,
        )
        return request.download_list[0]

    def _input(self) -> dict[str, Any]:
        # No library collection: these carry the address of the main deployment.
        start, end = (
            moment.strftime("%Y-%m-%dT%H:%M:%SZ")
            for moment in (self.acquired - _AROUND, self.acquired + _AROUND)
        )
        return {
            "type": self.collection,
            "dataFilter": {
                "timeRange": {"from": start, "to": end},
                "mosaickingOrder": "leastRecent",
            },
            "processing": {
                "harmonizeValues": False,
                "upsampling": "NEAREST",
                "downsampling": "NEAREST",
            },
        }


def checked(question: Question, content: bytes) -> Arrays:
    """Decode an answer and see that it is what was asked for.

    Parameters
    ----------
    question
        What was asked.
    content
        TAR with a GeoTIFF for each raster, and the meaning of its numbers as JSON.

    Returns
    -------
    dict of str to ndarray
        By band key, (y, x): uint16, or uint8 for SCL; 0 = no data.

    Raises
    ------
    HubPieceInvalid
        The answer is no such TAR, or a raster is of another size, type or grid, or its
        numbers mean something else, or contradict the data mask.
    HubPieceEmpty
        It holds no data at all and the footprint says otherwise.
    HubTileMissing
        It was made of no tile, or of others than the one asked for.
    """
    parts = _unpacked(question, content)
    _check_meaning(question, parts)
    rasters = {
        name: _raster(question, parts, name, count, dtype)
        for name, (count, dtype) in outputs(question.keys).items()
    }
    _check_mask(question, rasters)
    arrays = dict(zip(question.meaning["bands"], rasters.get(VALUES, ()), strict=True))
    if SCENE_CLASSES in rasters:
        arrays[SCENE_CLASSES] = rasters[SCENE_CLASSES][0]
    return arrays


def _unpacked(question: Question, content: bytes) -> dict[str, bytes]:
    try:
        with tarfile.open(fileobj=io.BytesIO(content)) as archive:
            files = {member.name: archive.extractfile(member) for member in archive}
            return {name: file.read() for name, file in files.items() if file}
    except (tarfile.TarError, EOFError) as exc:
        raise _invalid(question, f"no TAR ({exc})", "不是完整的 TAR") from exc


def _check_meaning(question: Question, parts: Mapping[str, bytes]) -> None:
    try:
        said = json.loads(parts[f"{META}.json"])
        tiles = list(said["tiles"])
    except (ValueError, KeyError, TypeError) as exc:
        raise _invalid(
            question,
            f"does not say what its numbers mean ({META}.json)",
            f"没有说明数值含义（{META}.json）",
        ) from exc
    for name, value in question.meaning.items():
        if said.get(name) != value:
            raise _invalid(
                question,
                f"says {name} {said.get(name)!r} where {value!r} was asked for",
                f"的 {name} 为 {said.get(name)!r}，应为 {value!r}",
            )
    if len(tiles) > 1 or (not tiles and question.has_data):
        raise HubTileMissing(
            f"{question.told}: Sentinel Hub made the answer of {len(tiles)} tiles "
            f"({', '.join(map(str, tiles)) or 'none'}) instead of this one; search "
            "again, the product may have been replaced"
            f" · {question.told}：Sentinel Hub 使用了 {len(tiles)} 个瓦片而不是该瓦片，"
            "请重新检索，产品可能已被替换",
            href=question.told,
        )


def _raster(
    question: Question, parts: Mapping[str, bytes], name: str, count: int, dtype: str
) -> NDArray[Any]:
    content = parts.get(f"{name}.tif")
    if content is None:
        raise _invalid(question, f"has no {name}.tif", f"缺少 {name}.tif")
    try:
        with MemoryFile(content) as memory, memory.open() as file:
            _check_form(
                question, name, file, (count, *question.piece.geobox.shape), dtype
            )
            array: NDArray[Any] = file.read()
            return array
    except RasterioError as exc:
        raise _invalid(
            question, f"has a broken {name}.tif ({exc})", f"的 {name}.tif 已损坏"
        ) from exc


def _check_form(
    question: Question,
    name: str,
    file: rasterio.io.DatasetReader,
    shape: tuple[int, ...],
    dtype: str,
) -> None:
    geobox = question.piece.geobox
    expected = {"shape": shape, "type": {dtype}, "CRS": _epsg(question.piece)}
    found = {
        "shape": (file.count, file.height, file.width),
        "type": set(file.dtypes),
        "CRS": file.crs.to_epsg() if file.crs else None,
    }
    for what, value in expected.items():
        if found[what] != value:
            raise _invalid(
                question,
                f"has {what} {found[what]} in {name}.tif, asked for {value}",
                f"的 {name}.tif {what} 为 {found[what]}，应为 {value}",
            )
    if not file.transform.almost_equals(
        geobox.transform, _CORNER * geobox.resolution.x
    ):
        raise _invalid(
            question,
            f"lies elsewhere: {tuple(file.transform)[:6]} in {name}.tif, asked for "
            f"{tuple(geobox.transform)[:6]}",
            f"的 {name}.tif 位置不符",
        )


def _check_mask(question: Question, rasters: Arrays) -> None:
    """See that 0 stands where the mask says no data, and not everywhere else."""
    mask = rasters[MASK][0]
    if mask.max(initial=0) > 1:
        raise _invalid(question, "has a data mask that is not 0 or 1", "的数据掩膜有误")
    valid = mask == 1
    if question.has_data and not valid.any():
        raise HubPieceEmpty(
            f"{question.told}: Sentinel Hub has no data here and the footprint of the "
            "scene says otherwise; run again later, or leave the scene out"
            f" · {question.told}：Sentinel Hub 此处无数据，与影像范围矛盾，请稍后重试或"
            "去掉该影像",
            href=question.told,
        )
    for name in rasters.keys() - {MASK}:
        array = rasters[name]
        if np.any(array[:, ~valid]):
            raise _invalid(
                question,
                f"has numbers in {name} where its data mask says no data",
                f"的 {name} 在无数据处有数值",
            )
        if question.has_data and not array.any():
            raise _invalid(
                question,
                f"has nothing but 0 in {name} though its data mask says data",
                f"的 {name} 在有数据处全为 0",
            )
    classes = rasters.get(SCENE_CLASSES)
    if classes is not None and classes.max(initial=0) > _LAST_CLASS:
        raise _invalid(
            question,
            f"has class {classes.max()} in SCL",
            f"的 SCL 含类别 {classes.max()}",
        )


def _epsg(piece: Piece) -> int | None:
    crs = piece.geobox.crs
    return None if crs is None else crs.to_epsg()


def _invalid(question: Question, english: str, chinese: str) -> HubPieceInvalid:
    return HubPieceInvalid(
        f"{question.told}: the answer of Sentinel Hub {english}; run again, and if it "
        "stays so, report it to the service"
        f" · {question.told}：Sentinel Hub 的返回{chinese}，请重试，若仍如此请向服务方"
        "反映",
        href=question.told,
    )
