"""Statistics of rasters over zones, each with a status.

From totals that add up over blocks (`raster.zone_totals`) to means, areas and quantiles
in physical units; where there is no honest number, NaN and the reason.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from raster.coverage import Coverage
from raster.errors import GridInvalid, SettingInvalid
from raster.zone_status import STATUS_WORDING, ZoneStatus
from raster.zone_totals import Raster, ZoneTotals, zone_totals

Float = NDArray[np.float64]

COMPLETE = 0.99
"""Share of a zone that must have been seen for the status "ok"."""

# float32 shares of a polygon of just one pixel may sum to a little less.
_ROUNDING = 1e-6

# A polygon summed over twice shows as more area on the grid than it has.
_TWICE = 1e-3

# Edges within this of a whole raw value mean that value.
_SNAP = 1e-6

_UNITS = {"area": "m2", "area_on_grid": "m2", "share": "1", "inside": "1"}

_NAMES = {
    "mean": "mean of the valid pixels, weighted by the share of each in the zone",
    "sum": "sum of the valid pixels times the share of each in the zone",
    "area": "ground area of the valid pixels in the zone",
    "weight": "valid pixels in the zone, by share and weight",
    "share": "valid share of the whole zone",
    "histogram": "valid pixels in each bin, by share and weight",
    "quantile": "weighted quantile of the valid pixels",
    "inside": "share of the zone that lies on the grid",
    "area_on_grid": "ground area of the zone on the grid, valid or not",
}


def zone_statistics(
    values: Raster,
    coverage: Coverage,
    *,
    nodata: float | None = None,
    scale: float | None = None,
    offset: float | None = None,
    classes: Raster | None = None,
    codes: Sequence[int] = (),
    weights: Raster | None = None,
    edges: Sequence[float] = (),
    quantiles: Sequence[float] = (),
    complete: float = COMPLETE,
    zones: Sequence[Hashable] | None = None,
) -> xr.Dataset:
    """Statistics of a raster over zones, for all dates in one pass.

    Parameters
    ----------
    values
        (time, y, x) or (y, x), integers or floats. A dask-backed DataArray is worked
        through block by block; blocks without a zone are not computed.
    coverage
        Of the grid of `values`.
    nodata, scale, offset
        Raw value that is no data, and physical = raw * scale + offset. Where None, of
        a DataArray's attributes ``_FillValue``, ``scale_factor`` and ``add_offset``,
        else none, 1 and 0. NaN and infinity never count.
    classes, codes, weights
        As for `Coverage.refine`, (y, x): statistics of each class of each zone, and
        of pixels with a weight, for example their crop fraction.
    edges
        Ascending bin edges of the histogram in physical units. A bin holds its lower
        edge, the last one also its upper edge, as in numpy.
    quantiles
        From 0 to 1; exactextract's definition (`weighted_quantiles`).
    complete
        Share of the zone that must be valid for "ok" instead of "partial".
    zones
        Labels of the zones.

    Returns
    -------
    xr.Dataset
        Dims zone, class (with classes), the first dim of `values` (if three).

        ============== ===========================================================
        mean, sum      float64, physical; weighted by the share of each pixel
        area           float64, m² of ground under the valid pixels, times weight
        histogram      float64 (..., bin), weight in pixels
        quantile       float64 (..., q), physical
        status         a `ZoneStatus`; the numbers above are NaN but for "ok" and
                       "partial"
        weight         float64, valid pixels, by share and weight
        share          float64, valid share of the whole zone, on the grid or not
        inside         float64 (zone,), share of the polygon on the grid
        area_on_grid   float64 (zone[, class]), m² of ground, valid or not
        ============== ===========================================================

        The ground area is right on any grid (`pixel_areas`). Mean, sum and quantiles
        count a pixel by its share alone: on a grid that is not equal-area give
        `weights` for more.

    Raises
    ------
    GridInvalid
        An array is not on the coverage's grid, or a weight is negative.
    SettingInvalid
        An argument is outside what is described here.
    """
    attributes = values.attrs if isinstance(values, xr.DataArray) else {}
    raw = attributes.get("_FillValue") if nodata is None else nodata
    factor = float(attributes.get("scale_factor", 1) if scale is None else scale)
    plus = float(attributes.get("add_offset", 0) if offset is None else offset)
    _check_scale(factor)
    totals = zone_totals(
        values,
        coverage,
        nodata=raw,
        classes=classes,
        codes=codes,
        weights=weights,
        edges=_raw_edges(edges, values, factor, plus),
        with_tables=len(quantiles) > 0,
    )
    return statistics(
        totals,
        scale=factor,
        offset=plus,
        quantiles=quantiles,
        complete=complete,
        zones=zones,
        like=values,
    )


def statistics(
    totals: ZoneTotals,
    *,
    scale: float = 1.0,
    offset: float = 0.0,
    quantiles: Sequence[float] = (),
    complete: float = COMPLETE,
    zones: Sequence[Hashable] | None = None,
    like: Raster | None = None,
) -> xr.Dataset:
    """Statistics from totals, as `zone_statistics` gives them.

    Parameters
    ----------
    totals
        Of all blocks together.
    scale, offset, quantiles, complete, zones
        As for `zone_statistics`; quantiles need totals with tables.
    like
        Raster that was summed, for the name and labels of its first dim.

    Raises
    ------
    SettingInvalid
        As for `zone_statistics`, or quantiles of totals without tables.
    GridInvalid
        A polygon was summed over twice: blocks overlap.
    """
    _check_scale(scale)
    _check_quantiles(quantiles, totals)
    _check_once(totals)
    status, share = _status(totals, complete)
    frame = _frame(totals, zones, like)
    found = np.isin(status, [ZoneStatus.OK, ZoneStatus.PARTIAL])
    variables = {"status": frame.variable(status)}
    for name, array in _numbers(totals, scale, offset, quantiles).items():
        shown = array.copy()
        shown[~found] = np.nan
        variables[name] = frame.variable(shown, *_EXTRA.get(name, ()))
    variables["weight"] = frame.variable(totals.weight)
    variables["share"] = frame.variable(share)
    variables |= frame.fixed(totals)
    return _described(
        xr.Dataset(variables, frame.coords), totals, scale, offset, quantiles
    )


_EXTRA = {"histogram": ("bin",), "quantile": ("q",)}


def _numbers(
    totals: ZoneTotals, scale: float, offset: float, quantiles: Sequence[float]
) -> dict[str, Float]:
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = totals.total / totals.weight * scale + offset
    numbers = {
        "mean": mean,
        "sum": totals.total * scale + totals.weight * offset,
        "area": totals.area,
    }
    if totals.edges:
        numbers["histogram"] = totals.counts
    if totals.tables is not None and len(quantiles):
        raw = totals.tables.quantiles(np.asarray(quantiles, np.float64))
        shape = (*totals.total.shape, len(quantiles))
        numbers["quantile"] = raw.reshape(shape) * scale + offset
    return numbers


def _status(totals: ZoneTotals, complete: float) -> tuple[NDArray[np.str_], Float]:
    """Status and valid share of each matrix row and date."""
    inside, cover = totals.inside, totals.cover
    on_grid = np.minimum(1.0, inside / totals.pixels)
    each = max(1, len(totals.classes))
    inside, on_grid = np.repeat(inside, each), np.repeat(on_grid, each)
    seen = np.divide(
        totals.weight,
        totals.full[:, np.newaxis],
        out=np.zeros_like(totals.weight),
        where=totals.full[:, np.newaxis] > 0,
    )
    share = seen * on_grid[:, np.newaxis]
    status = np.full(share.shape, ZoneStatus.OK, "<U9")
    status[share < complete] = ZoneStatus.PARTIAL
    status[totals.weight == 0] = ZoneStatus.NO_DATA
    # From here on for all dates; what stands later explains more.
    status[cover < 1 - _ROUNDING] = ZoneStatus.TOO_SMALL
    status[cover == 0] = ZoneStatus.EMPTY
    status[inside < 1 - _ROUNDING] = ZoneStatus.TOO_SMALL
    status[inside == 0] = ZoneStatus.OUTSIDE
    return status, share


@dataclass(frozen=True, slots=True)
class _Frame:
    """Dims, shape and labels that (row, time) arrays get."""

    rows: dict[str, int]
    dates: dict[str, int]
    coords: dict[str, Any]

    def variable(self, array: NDArray[Any], *extra: str) -> xr.Variable:
        sizes = self.rows | self.dates
        shape = (*sizes.values(), *array.shape[2:])
        return xr.Variable((*sizes, *extra), array.reshape(shape))

    def fixed(self, totals: ZoneTotals) -> dict[str, xr.Variable]:
        on_grid = totals.ground.reshape(tuple(self.rows.values()))
        on_grid = np.where((totals.inside < 1 - _ROUNDING), np.nan, on_grid.T).T
        inside = np.minimum(1.0, totals.inside / totals.pixels)
        return {
            "inside": xr.Variable("zone", inside),
            "area_on_grid": xr.Variable(tuple(self.rows), on_grid),
        }


def _frame(
    totals: ZoneTotals, zones: Sequence[Hashable] | None, like: Raster | None
) -> _Frame:
    count, dates = len(totals.pixels), totals.total.shape[1]
    if zones is not None and len(zones) != count:
        raise SettingInvalid(
            f"{len(zones)} labels for {count} zones: give one each · 标签数与区域数不符"
        )
    coords: dict[str, Any] = {"zone": np.arange(count) if zones is None else zones}
    rows = {"zone": count}
    if totals.classes:
        rows["class"] = len(totals.classes)
        coords["class"] = np.array(totals.classes)
    if like is not None and like.ndim == 2:
        return _Frame(rows, {}, coords)
    name = "time"
    if isinstance(like, xr.DataArray):
        name = str(like.dims[0])
        if name in like.coords:
            coords[name] = like.coords[name].variable
    return _Frame(rows, {name: dates}, coords)


def _described(
    dataset: xr.Dataset,
    totals: ZoneTotals,
    scale: float,
    offset: float,
    quantiles: Sequence[float],
) -> xr.Dataset:
    for name, long_name in _NAMES.items():
        if name in dataset:
            units = {"units": _UNITS[name]} if name in _UNITS else {}
            dataset[name].attrs.update(long_name=long_name, **units)
    dataset["status"].attrs["meanings"] = "; ".join(
        f"{status}: {wording.en} · {wording.zh}"
        for status, wording in STATUS_WORDING.items()
    )
    if totals.edges:
        edges = np.array(totals.edges) * scale + offset
        ends = {"bin_lower": ("bin", edges[:-1]), "bin_upper": ("bin", edges[1:])}
        dataset = dataset.assign_coords(ends)
    if "quantile" in dataset:
        dataset = dataset.assign_coords(q=("q", np.asarray(quantiles, np.float64)))
    return dataset


def _check_scale(scale: float) -> None:
    if not (np.isfinite(scale) and scale > 0):
        raise SettingInvalid(
            f"scale {scale}: give a positive number · 比例系数须为正数"
        )


def _check_quantiles(quantiles: Sequence[float], totals: ZoneTotals) -> None:
    if not all(0 <= q <= 1 for q in quantiles):
        raise SettingInvalid(
            f"quantiles {list(quantiles)}: give numbers from 0 to 1"
            " · 分位数须在 0 到 1 之间"
        )
    if len(quantiles) and totals.tables is None:
        raise SettingInvalid(
            "quantiles need totals with tables: sum with with_tables=True"
            " · 计算分位数需要 with_tables=True 的合计"
        )


def _check_once(totals: ZoneTotals) -> None:
    twice = totals.inside > totals.pixels * (1 + _TWICE) + _TWICE
    if twice.any():
        zone = int(np.flatnonzero(twice)[0])
        raise GridInvalid(
            f"zone {zone} has {totals.pixels[zone]:.2f} pixels, yet "
            f"{totals.inside[zone]:.2f} were summed: the blocks overlap"
            f" · 区域 {zone} 被重复累加，分块之间有重叠"
        )


def _raw_edges(
    edges: Sequence[float], values: Raster, scale: float, offset: float
) -> tuple[float, ...]:
    """Edges in raw values; those meant to be whole numbers become so."""
    raw = (np.asarray(edges, np.float64) - offset) / scale
    if values.dtype.kind in "iub":
        whole = np.round(raw)
        raw = np.where(np.abs(raw - whole) < _SNAP, whole, raw)
    return tuple(raw.tolist())
