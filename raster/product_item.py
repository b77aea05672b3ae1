"""The STAC item of a product made from a season: grid, files, lineage, what was seen.

Extensions: projection 2.0 (grid), raster 1.1 (`raster:bands`: nodata, scale, offset,
unit, valid share), file 2.1 (checksum, size) and processing 1.2 (software, level).
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pystac
import shapely
import xarray as xr
from odc.geo.crs import CRS
from odc.geo.geobox import GeoBox
from odc.geo.xr import ODCExtensionDs
from pystac.extensions.file import FileExtension
from pystac.extensions.projection import ProjectionExtension
from pystac.extensions.raster import (
    DataType,
    RasterBand,
    RasterExtension,
    Sampling,
    Statistics,
)
from shapely.geometry import Polygon, mapping

from raster.blocks import BlockPlan
from raster.errors import GridInvalid, SettingInvalid
from raster.files import multihash, sha256
from raster.journal import FinishedBlock
from raster.series import SERIES, TIME

KIND = "season"
PROCESSING = "https://stac-extensions.github.io/processing/v1.2.0/schema.json"

# Zarr as STAC's media types call it; version 3 has one file a shard.
_ZARR = "application/vnd.zarr; version=3"

# Straight edges of a 600 km grid bend in degrees; 64 chords stay within 2 m, and
# points that bend an edge by less than 1e-5 degree (1 m) are dropped again.
_CHORDS = 64
_TOLERANCE = 1e-5


@dataclass(frozen=True, slots=True)
class Seen:
    """What the blocks of a season hold, summed over the grid.

    Attributes
    ----------
    pixels
        Of the grid.
    clear
        Pixels with a clear observation, one number a time step; empty when clear
        observations were not counted.
    seen
        Pixels with a clear observation at any time.
    valid
        Values that are not nodata, of each variable that has a nodata value.
    """

    pixels: int
    clear: tuple[int, ...]
    seen: int
    valid: Mapping[str, tuple[int, ...]]

    @classmethod
    def over(cls, blocks: Iterable[FinishedBlock], plan: BlockPlan) -> "Seen":
        """Sum over all blocks of a plan."""
        every = list(blocks)
        names = every[0].valid
        return cls(
            pixels=plan.shape[0] * plan.shape[1],
            clear=_summed([block.clear for block in every]),
            seen=sum(block.seen for block in every),
            valid={name: _summed([b.valid[name] for b in every]) for name in names},
        )


def _summed(counts: list[tuple[int, ...]]) -> tuple[int, ...]:
    return tuple(sum(numbers) for numbers in zip(*counts, strict=True))


@dataclass(frozen=True, slots=True)
class Description:
    """What is known of a product before its first block is computed."""

    product_id: str
    geobox: GeoBox
    properties: Mapping[str, Any]
    sources: Mapping[str, str]
    collection: str | None

    @property
    def tags(self) -> dict[str, str]:
        """The ``heitu:`` properties as tags of a file: ``heitu:run`` is HEITU_RUN."""
        return {
            name.upper().replace(":", "_"): str(value).lower()
            if isinstance(value, bool)
            else str(value)
            for name, value in self.properties.items()
            if name.startswith("heitu:") and isinstance(value, str | bool | int)
        }


def describe(
    dataset: xr.Dataset,
    *,
    product_id: str,
    properties: Mapping[str, Any],
    sources: Mapping[str, str],
    collection: str | None,
) -> Description:
    """Gather what the item says, and find what is missing before hours of work.

    Raises
    ------
    GridInvalid
        The dataset has no grid with a CRS.
    SettingInvalid
        Its attributes lack what must be said, or properties are no plain JSON.
    """
    lineage = _lineage(dataset, product_id)
    simulated = _simulated(dataset, product_id, properties)
    known = {
        "datetime": None,
        "heitu:kind": KIND,
        **properties,
        **_interval(dataset, lineage, properties, product_id),
        "heitu:simulated": simulated,
        **({"heitu:lineage": lineage} if lineage else {}),
        "processing:level": "L3",
        "processing:software": {"heitu": version("heitu")},
    }
    if "step" in dataset.attrs:
        known["heitu:step"] = dataset.attrs["step"]
    _check_json(known, product_id)
    geobox = _geobox(dataset, product_id)
    return Description(product_id, geobox, known, sources, collection)


def build_item(
    description: Description,
    dataset: xr.Dataset,
    *,
    seen: Seen,
    folder: Path,
    series_files: Mapping[str, tuple[int, str]],
) -> pystac.Item:
    """Describe the written files of a product as a STAC 1.1 item.

    Parameters
    ----------
    description, dataset, seen
        What was made, and what is in it.
    folder
        Where the files lie: a ``NAME.tif`` for each map.
    series_files
        Size and SHA-256 of every file of the Zarr store, by path inside it; empty
        when there is none.

    Returns
    -------
    pystac.Item
        Asset hrefs are relative (``./sos.tif``); no self link.
    """
    item = _bare_item(description)
    item.properties |= _clear_statistics(dataset, seen)
    for name, variable in dataset.data_vars.items():
        if TIME not in variable.dims:
            path = folder / f"{name}.tif"
            valid = seen.valid.get(str(name), ())
            _add_map(item, variable, path, [count / seen.pixels for count in valid])
    if series_files:
        _add_series(item, series_files)
    _add_links(item, description)
    return item


def zarr_checksum(files: Mapping[str, tuple[int, str]]) -> str:
    """Checksum of a Zarr store as a multihash.

    It is the SHA-256 of what ``find * -type f | LC_ALL=C sort | xargs sha256sum``
    prints in the store's folder.
    """
    lines = (f"{files[name][1]}  {name}\n" for name in sorted(files))
    return multihash(hashlib.sha256("".join(lines).encode()).hexdigest())


def _lineage(dataset: xr.Dataset, product_id: str) -> dict[str, Any]:
    try:
        lineage = json.loads(dataset.attrs.get("lineage", "{}"))
    except (TypeError, ValueError) as exc:
        raise SettingInvalid(
            f"{product_id}: the dataset's lineage is no JSON ({exc}); give the result "
            "of a season as it is"
            f" · {product_id}：数据集的 lineage 不是 JSON（{exc}），请原样使用"
            "生长季结果"
        ) from exc
    return dict(lineage)


def _simulated(
    dataset: xr.Dataset, product_id: str, properties: Mapping[str, Any]
) -> bool:
    if "simulated" not in dataset.attrs:
        raise SettingInvalid(
            f"{product_id}: the dataset does not say whether it is simulated; give the "
            "result of a season with its attributes, or set simulated to 0 or 1"
            f" · {product_id}：数据集未说明是否为模拟数据，请保留生长季结果的属性，或"
            "将 simulated 设为 0 或 1"
        )
    return bool(dataset.attrs["simulated"]) or bool(properties.get("heitu:simulated"))


def _interval(
    dataset: xr.Dataset,
    lineage: Mapping[str, Any],
    properties: Mapping[str, Any],
    product_id: str,
) -> dict[str, str]:
    """First and last second of the season, in the form of STAC."""
    if "time_bnds" in dataset.coords:
        edges = dataset["time_bnds"].values.astype("datetime64[s]")
        # The upper edge of the last step is the first moment after it.
        first, last = edges.min(), edges.max() - np.timedelta64(1, "s")
        return {"start_datetime": f"{first}Z", "end_datetime": f"{last}Z"}
    if {"start_datetime", "end_datetime"} <= set(properties):
        return {}
    parameters = lineage.get("parameters", {})
    if not {"start", "end"} <= set(parameters):
        raise SettingInvalid(
            f"{product_id}: the dataset has no time; give properties start_datetime "
            f"and end_datetime · {product_id}：数据集没有时间，请给出属性 "
            "start_datetime 和 end_datetime"
        )
    start, end = (str(parameters[key])[:10] for key in ("start", "end"))
    return {
        "start_datetime": f"{start}T00:00:00Z",
        "end_datetime": f"{end}T23:59:59Z",
    }


def _check_json(properties: Mapping[str, Any], product_id: str) -> None:
    try:
        json.dumps(dict(properties), allow_nan=False)
    except (TypeError, ValueError) as exc:
        raise SettingInvalid(
            f"{product_id}: its properties cannot be written as JSON ({exc}); give "
            "plain numbers, and leave unknown ones out"
            f" · {product_id}：属性无法写成 JSON（{exc}），请用普通数值，未知的不要写"
        ) from exc


def _geobox(dataset: xr.Dataset, product_id: str) -> GeoBox:
    geobox = ODCExtensionDs(dataset).geobox
    if (
        not isinstance(geobox, GeoBox)
        or geobox.crs is None
        or "spatial_ref" not in dataset.coords
    ):
        raise GridInvalid(
            f"{product_id}: the dataset has no grid with a CRS; give the result of a "
            "season with its coordinates y, x and spatial_ref"
            f" · {product_id}：数据集没有带坐标系的格网，请保留生长季结果的坐标 y、x "
            "和 spatial_ref"
        )
    epsg = geobox.crs.to_epsg()
    # Coordinates hold the CRS as long text; files and people read the code.
    crs = geobox.crs if epsg is None else f"EPSG:{epsg}"
    return GeoBox(geobox.shape, geobox.affine, crs)


def _bare_item(description: Description) -> pystac.Item:
    geobox = description.geobox
    crs = geobox.crs
    assert crs is not None
    outline = _footprint(geobox, crs)
    item = pystac.Item(
        id=description.product_id,
        geometry=mapping(outline),
        bbox=list(outline.bounds),
        datetime=None,
        properties=dict(description.properties),
        collection=description.collection,
        stac_extensions=[PROCESSING],
    )
    epsg = crs.to_epsg()
    ProjectionExtension.ext(item, add_if_missing=True).apply(
        code=None if epsg is None else f"EPSG:{epsg}",
        # An own CRS such as Albers 25/47/105 has no code, and code then is null.
        wkt2=crs.to_wkt() if epsg is None else None,
        bbox=list(geobox.boundingbox.bbox),
        shape=list(geobox.shape),
        transform=[float(number) for number in tuple(geobox.affine)[:6]],
    )
    if crs.projected:
        item.common_metadata.gsd = abs(geobox.resolution.x)
    return item


def _footprint(geobox: GeoBox, crs: CRS) -> Polygon:
    """Outline in EPSG:4326, its edges densified before projecting."""
    extent = geobox.extent.geom
    west, south, east, north = extent.bounds
    dense = shapely.segmentize(extent, max(east - west, north - south) / _CHORDS)
    project = crs.transformer_to_crs("EPSG:4326")
    outline = shapely.transform(dense, project, interleaved=False)
    return shapely.simplify(outline, _TOLERANCE)


def _clear_statistics(dataset: xr.Dataset, seen: Seen) -> dict[str, Any]:
    if not seen.clear:
        return {}
    days = [str(moment)[:10] for moment in dataset[TIME].values]
    shares = (_share(count, seen.pixels) for count in seen.clear)
    return {
        "heitu:never_clear_share": _share(seen.pixels - seen.seen, seen.pixels),
        "heitu:clear_share": dict(zip(days, shares, strict=True)),
    }


def _share(count: int, pixels: int) -> float:
    return round(count / pixels, 6)


def _add_map(
    item: pystac.Item, variable: xr.DataArray, path: Path, valid: list[float]
) -> None:
    asset = pystac.Asset(
        href=f"./{path.name}",
        title=variable.attrs.get("long_name"),
        media_type=pystac.MediaType.COG,
        roles=["data"],
    )
    item.add_asset(str(variable.name), asset)
    count = 1 if variable.ndim == 2 else variable.shape[0]
    RasterExtension.ext(asset, add_if_missing=True).apply(
        [
            _band(variable, valid[band] if valid else None, item.common_metadata.gsd)
            for band in range(count)
        ]
    )
    FileExtension.ext(asset, add_if_missing=True).apply(
        checksum=multihash(sha256(path)), size=path.stat().st_size
    )


def _band(
    variable: xr.DataArray, valid: float | None, metres: float | None
) -> RasterBand:
    attributes = {name: _plain(value) for name, value in variable.attrs.items()}
    return RasterBand.create(
        nodata=attributes.get("_FillValue"),
        sampling=Sampling.AREA,
        data_type=DataType(variable.dtype.name),
        spatial_resolution=metres,
        unit=attributes.get("units"),
        scale=attributes.get("scale_factor"),
        offset=attributes.get("add_offset"),
        statistics=None
        if valid is None
        else Statistics.create(valid_percent=round(100 * valid, 4)),
    )


def _plain(value: object) -> Any:  # noqa: ANN401
    return value.item() if isinstance(value, np.generic) else value


def _add_series(item: pystac.Item, files: Mapping[str, tuple[int, str]]) -> None:
    asset = pystac.Asset(
        href=f"./{SERIES}",
        title="composites and smoothed series",
        description=(
            "A folder: file:checksum is the SHA-256 of the lines that sha256sum "
            "prints for its files in the order of their paths (LC_ALL=C sort)"
        ),
        media_type=_ZARR,
        roles=["data"],
    )
    item.add_asset(KIND, asset)
    FileExtension.ext(asset, add_if_missing=True).apply(
        checksum=zarr_checksum(files), size=sum(size for size, _ in files.values())
    )


def _add_links(item: pystac.Item, description: Description) -> None:
    if description.collection is not None:
        for rel, href in (
            ("root", "../../catalog.json"),
            ("parent", "../collection.json"),
            ("collection", "../collection.json"),
        ):
            item.add_link(pystac.Link(rel, href, media_type=pystac.MediaType.JSON))
    for scene, href in description.sources.items():
        item.add_link(
            pystac.Link(
                pystac.RelType.DERIVED_FROM,
                href,
                media_type=pystac.MediaType.JSON,
                title=scene,
            )
        )
