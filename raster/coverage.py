"""Which share of every pixel a polygon covers: computed once, used for many rasters.

The shares are a sparse matrix of zones by pixels whose rows are run-length encoded: a
stretch of a grid row with one weight is one entry. Inside a polygon the weight is 1, so
a county of a million pixels is some ten thousand runs, a province at 10 m fits in
memory, and sums go along contiguous pixels.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from scipy.sparse import csr_array
from shapely.geometry.base import BaseGeometry

from raster.coverage_file import grid_text, load_arrays, save_arrays
from raster.errors import GeometryInvalid, GridInvalid, SettingInvalid
from raster.exact_fractions import zone_runs
from raster.grid import check_crs, project_onto
from raster.kernels_zonal import count_pieces, cut_pieces
from raster.pixel_area import pixel_areas

_MULTI = shapely.GeometryType.MULTIPOLYGON


@dataclass(frozen=True, slots=True, eq=False)
class Runs:
    """Run-length encoded sparse matrix, in the order of the grid; each array (runs,).

    Attributes
    ----------
    zone
        int32, row of the matrix.
    row, col, length
        int32: first pixel on the grid, and number of pixels to the right.
    weight
        float32, weight of each pixel of the run.
    area
        float32, ground area of one whole pixel of the run, m².
    """

    zone: NDArray[np.int32]
    row: NDArray[np.int32]
    col: NDArray[np.int32]
    length: NDArray[np.int32]
    weight: NDArray[np.float32]
    area: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.zone)

    def totals(self, count: int) -> NDArray[np.float64]:
        """Sum of the weights of each of `count` matrix rows."""
        each = self.weight.astype(np.float64) * self.length
        return np.bincount(self.zone, each, count).astype(np.float64)

    def areas(self, count: int) -> NDArray[np.float64]:
        """Sum of weight times ground area of each of `count` matrix rows, m²."""
        each = self.weight.astype(np.float64) * self.length * self.area
        return np.bincount(self.zone, each, count).astype(np.float64)

    def taken(self, keep: NDArray[Any] | slice) -> "Runs":
        """Pick runs by position or mask."""
        return Runs(*(getattr(self, name)[keep] for name in _RUNS))

    def window(self, rows: slice, cols: slice) -> "Runs":
        """Part of the runs in a rectangle of the grid, counted from its corner."""
        # In the order of the grid, so that blocks of rows are found at once.
        among = slice(*np.searchsorted(self.row, (rows.start, rows.stop)))
        near = self.taken(among)
        begin = np.maximum(near.col, np.int32(cols.start))
        end = np.minimum(near.col + near.length, np.int32(cols.stop))
        keep = begin < end
        return replace(
            near.taken(keep),
            row=near.row[keep] - np.int32(rows.start),
            col=begin[keep] - np.int32(cols.start),
            length=(end - begin)[keep],
        )

    def by_zone(self, count: int) -> tuple["Runs", NDArray[np.int64]]:
        """Order by matrix row; also returns where each of `count` rows begins."""
        ends = np.cumsum(np.bincount(self.zone, minlength=count))
        order = np.argsort(self.zone, kind="stable")
        return self.taken(order), np.concatenate([[0], ends]).astype(np.int64)


_RUNS = tuple(field.name for field in fields(Runs))


@dataclass(frozen=True, slots=True, eq=False)
class Coverage:
    """Weights of a grid's pixels in zones; made by `coverage`.

    Attributes
    ----------
    geobox
        The grid.
    checksum
        SHA-256 of the polygons.
    classes
        Class codes; empty for whole zones. With c codes the matrix has a row for each
        (zone, code), codes running fastest.
    refined
        By class or by weight: `runs` no longer holds the bare shares.
    pixels
        float64 (zones,): area of each whole polygon in pixels, on the grid or not.
    inside
        float64 (zones,): the part of `pixels` that lies on the grid.
    cover
        float64 (rows,): pixels of each matrix row on the grid, before weights.
    runs
        The matrix.
    """

    geobox: GeoBox
    checksum: str
    classes: tuple[int, ...]
    refined: bool
    pixels: NDArray[np.float64]
    inside: NDArray[np.float64]
    cover: NDArray[np.float64]
    runs: Runs

    def area(self) -> NDArray[np.float64]:
        """Ground area of each matrix row on the grid, m², times the weights if any."""
        return self.runs.areas(len(self.cover))

    def matrix(self) -> "csr_array[np.float32]":
        """Weights as a scipy matrix (rows, y * x), float32, pixels in C order."""
        height, width = self.geobox.shape
        runs, bounds = self.runs.by_zone(len(self.cover))
        ends = np.concatenate([[0], np.cumsum(runs.length, dtype=np.int64)])
        first = runs.row.astype(np.int64) * width + runs.col
        pixel = np.arange(ends[-1]) + np.repeat(first - ends[:-1], runs.length)
        weight = np.repeat(runs.weight, runs.length)
        shape = (len(self.cover), height * width)
        return csr_array((weight, pixel, ends[bounds]), shape=shape)

    def window(self, rows: slice, cols: slice) -> "Coverage":
        """Coverage of ``geobox[rows, cols]`` alone; both slices have both ends.

        Sums over windows that tile the grid add up to the sums over the grid.

        Raises
        ------
        SettingInvalid
            The coverage is refined: cut first, then refine.
        """
        if self.refined:
            raise SettingInvalid(
                "a coverage refined by class or weight cannot be cut: cut it first, "
                "then refine · 已按类别或权重细化的覆盖不能再裁剪，请先裁剪再细化"
            )
        runs = self.runs.window(rows, cols)
        inside = runs.totals(len(self.pixels))
        geobox = self.geobox[rows, cols]
        return replace(self, geobox=geobox, inside=inside, cover=inside, runs=runs)

    def refine(
        self,
        *,
        classes: NDArray[Any] | None = None,
        codes: Sequence[int] = (),
        weights: NDArray[Any] | None = None,
    ) -> "Coverage":
        """Split zones by class, and multiply pixels by a weight.

        Parameters
        ----------
        classes
            (y, x) integers, for example a crop map; with `codes`.
        codes
            Classes wanted, each once. Pixels of any other class are left out.
        weights
            (y, x) numbers of zero or more, for example the crop fraction of a pixel;
            NaN and 0 leave a pixel out. Kept as float32.

        Returns
        -------
        Coverage
            A matrix row for each (zone, code), or zone.

        Raises
        ------
        GridInvalid
            Shapes differ from the grid's, or a weight is negative or infinite.
        SettingInvalid
            Classes without codes or codes without classes, a code twice, classes
            that are not integers, or the coverage has classes already.
        """
        if self.refined:
            raise SettingInvalid(
                "a coverage is refined once, by classes and weights together"
                " · 覆盖只能细化一次，请同时给出类别和权重"
            )
        factors = _factors(weights, self.geobox)
        slots = _slots(classes, codes, self.geobox)
        slots[~(factors > 0)] = -1
        each = max(1, len(codes))
        runs, shares = _cut(self.runs, slots, factors, each)
        cover = shares.totals(each * len(self.pixels))
        return replace(self, classes=tuple(codes), refined=True, cover=cover, runs=runs)

    def save(self, path: Path) -> None:
        """Write to an .npz file, completely or not at all.

        Raises
        ------
        DiskFull, WriteFailed
            Nothing was written; an older file at `path` is untouched.
        """
        save_arrays(path, _described(self), _arrays(self))

    @classmethod
    def load(
        cls,
        path: Path,
        *,
        geobox: GeoBox,
        geometries: Sequence[BaseGeometry],
    ) -> "Coverage":
        """Read what `save` wrote, if it is for this grid and these polygons.

        Raises
        ------
        GridInvalid
            It is for another grid.
        WeightsUnreadable
            No such file, or a damaged one.
        GeometryInvalid
            It is for other polygons.
        """
        described, arrays = load_arrays(path, _ARRAYS)
        if described["grid"] != grid_text(geobox):
            raise GridInvalid(
                f"{path} holds weights for another grid, {described['grid']}: delete "
                f"it and compute them anew · {path} 中的权重属于另一栅格，请删除后重算"
            )
        if described["checksum"] != checksum(geometries):
            raise GeometryInvalid(
                f"{path} holds weights for other polygons: delete it and compute them "
                f"anew · {path} 中的权重属于其他多边形，请删除后重算"
            )
        zones = {name: arrays[name] for name in ("pixels", "inside", "cover")}
        runs = {name: arrays[name] for name in _RUNS}
        classes, refined = tuple(described["classes"]), described["refined"]
        return cls(
            geobox, described["checksum"], classes, refined, **zones, runs=Runs(**runs)
        )


_ARRAYS = ("pixels", "inside", "cover", *_RUNS)


def _arrays(coverage: Coverage) -> dict[str, NDArray[Any]]:
    zones = {name: getattr(coverage, name) for name in ("pixels", "inside", "cover")}
    return zones | {name: getattr(coverage.runs, name) for name in _RUNS}


def _described(coverage: Coverage) -> dict[str, Any]:
    return {
        "grid": grid_text(coverage.geobox),
        "checksum": coverage.checksum,
        "classes": coverage.classes,
        "refined": coverage.refined,
    }


def coverage(geobox: GeoBox, geometries: Sequence[BaseGeometry]) -> Coverage:
    """Exact share of every pixel that each polygon covers.

    Parameters
    ----------
    geobox
        North-up grid, any CRS; a block of a larger grid serves too.
    geometries
        Polygons or multipolygons in EPSG:4326 (longitude, latitude). They may overlap
        each other, and lie partly or wholly off the grid.

    Returns
    -------
    Coverage
        Shares as exactextract computes them, float32; the edges of the polygons are
        straight in longitude and latitude.

    Raises
    ------
    GeometryInvalid
        Not a polygon, empty, invalid (self-intersecting), coordinates that are not
        degrees or that the grid's CRS cannot hold.
    GridInvalid
        No CRS, not north-up, or beyond where its CRS is defined.
    """
    _check_grid(geobox)
    polygons = _projected(geometries, geobox)
    found = zone_runs(list(polygons), geobox)
    middle = found.col + found.length / 2
    area = pixel_areas(geobox, found.row + 0.5, middle).astype(np.float32)
    runs = Runs(found.zone, found.row, found.col, found.length, found.weight, area)
    inside = runs.totals(len(polygons))
    return Coverage(
        geobox=geobox,
        checksum=checksum(geometries),
        classes=(),
        refined=False,
        pixels=shapely.area(polygons) / abs(geobox.affine.determinant),
        inside=inside,
        cover=inside,
        runs=runs,
    )


def checksum(geometries: Sequence[BaseGeometry]) -> str:
    """SHA-256 of polygons: every coordinate and the order count."""
    digest = hashlib.sha256()
    for geometry in geometries:
        wkb = shapely.to_wkb(geometry, byte_order=1)
        digest.update(len(wkb).to_bytes(8, "little") + wkb)
    return digest.hexdigest()


def _check_grid(geobox: GeoBox) -> None:
    check_crs(geobox)
    affine = geobox.affine
    if affine.b or affine.d or affine.a <= 0 or affine.e >= 0:
        raise GridInvalid(
            f"the grid {tuple(affine)[:6]} is turned or not north-up: warp it onto one "
            "of raster.grid.geobox_for · 栅格有旋转或非北向上，请先重采样到规则栅格"
        )


def _projected(
    geometries: Sequence[BaseGeometry], geobox: GeoBox
) -> NDArray[np.object_]:
    given = np.empty(len(geometries), object)
    given[:] = geometries
    _check_polygons(given)
    polygons = project_onto(geobox, given)
    for i in np.flatnonzero(~np.isfinite(shapely.bounds(polygons)).all(axis=1)):
        english = f"cannot be brought to {geobox.crs}: leave it out"
        raise _refused(i, english, "无法投影到栅格坐标系，请去掉")
    return polygons


def _check_polygons(geometries: NDArray[np.object_]) -> None:
    types = shapely.get_type_id(geometries)
    polygons = np.isin(types, [shapely.GeometryType.POLYGON, _MULTI])
    for i in np.flatnonzero(~polygons | shapely.is_empty(geometries)):
        text = str(geometries[i])[:60]
        raise _refused(i, f"is {text}: give non-empty polygons", "不是非空多边形")
    bounds = shapely.bounds(geometries)
    degrees = (np.abs(bounds) <= (360, 90, 360, 90)).all(axis=1)
    for i in np.flatnonzero(~degrees):
        english = f"reaches over {bounds[i]}: give longitude and latitude"
        raise _refused(i, english, "坐标不是经纬度")
    for i in np.flatnonzero(~shapely.is_valid(geometries)):
        why = shapely.is_valid_reason(geometries[i])
        english = f"is invalid ({why}): repair it, for example with shapely.make_valid"
        raise _refused(i, english, "拓扑无效，请修复后重试")


def _refused(number: np.intp, english: str, chinese: str) -> GeometryInvalid:
    return GeometryInvalid(f"geometry {number} {english} · 第 {number} 个图形{chinese}")


def _factors(weights: NDArray[Any] | None, geobox: GeoBox) -> NDArray[np.float32]:
    if weights is None:
        return np.ones(geobox.shape, np.float32)
    _check_shape("weights", weights, geobox)
    factors = weights.astype(np.float32)
    if (factors < 0).any() or np.isinf(factors).any():
        raise GridInvalid(
            "a weight is negative or infinite: give 0 or more, NaN where unknown"
            " · 权重为负或无穷大，须为非负有限值，未知处用 NaN"
        )
    return np.ascontiguousarray(factors)


def _slots(
    classes: NDArray[Any] | None, codes: Sequence[int], geobox: GeoBox
) -> NDArray[np.int16]:
    """Position of each pixel's class among the codes, -1 for any other class."""
    if (classes is None) != (len(codes) == 0) or len(set(codes)) < len(codes):
        raise SettingInvalid(
            f"classes need codes and codes classes, each code once: {list(codes)}"
            " · 类别栅格与类别代码须同时给出，代码不得重复"
        )
    if classes is None:
        return np.zeros(geobox.shape, np.int16)
    if classes.dtype.kind not in "iub":
        raise SettingInvalid(
            f"classes are {classes.dtype}: give integers · 类别栅格须为整数"
        )
    _check_shape("classes", classes, geobox)
    slots = np.full(geobox.shape, -1, np.int16)
    for slot, code in enumerate(codes):
        slots[classes == code] = slot
    return slots


def _check_shape(name: str, array: NDArray[Any], geobox: GeoBox) -> None:
    if array.shape != tuple(geobox.shape):
        raise GridInvalid(
            f"{name} of shape {array.shape} do not fit the grid of shape "
            f"{tuple(geobox.shape)} · {name} 的形状与栅格不符"
        )


def _cut(
    runs: Runs, slots: NDArray[np.int16], factors: NDArray[np.float32], each: int
) -> tuple[Runs, Runs]:
    """Pieces of runs by slot and factor: with weights, and with the bare shares."""
    where = (slots, factors, runs.row, runs.col, runs.length)
    count = count_pieces(*where)
    parent, factor = np.empty(count, np.int64), np.empty(count, np.float32)
    slot, col, length = np.empty((3, count), np.int32)
    cut_pieces(*where, parent, slot, col, length, factor)
    near = runs.taken(parent)
    shares = replace(
        near, zone=near.zone * np.int32(each) + slot, col=col, length=length
    )
    return replace(shares, weight=shares.weight * factor), shares
