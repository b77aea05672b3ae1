"""Zonal sums: which polygon holds a pixel, weighted means over polygons."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from rasterio.features import rasterize
from shapely.geometry.base import BaseGeometry

from raster.errors import GeometryInvalid, GridInvalid
from raster.grid import check_crs, project_onto

OUTSIDE = -1


@dataclass(frozen=True, slots=True)
class ZoneMeans:
    """Weighted mean a zone, and the weight behind it; float64 (zones,)."""

    mean: NDArray[np.float64]
    weight: NDArray[np.float64]


def zone_index(geobox: GeoBox, geometries: Sequence[BaseGeometry]) -> NDArray[np.int16]:
    """Position of the polygon that holds each pixel's centre.

    Parameters
    ----------
    geobox
        Grid, any CRS.
    geometries
        Polygons or multipolygons in EPSG:4326 (longitude, latitude). Where they
        overlap, the earlier one wins.

    Returns
    -------
    int16 (y, x); -1 outside all polygons.

    Raises
    ------
    GeometryInvalid
        Not a polygon, empty, or more than 32767 of them.
    GridInvalid
        The grid has no CRS.
    """
    check_crs(geobox)
    _check_polygons(geometries)
    zones = np.full(geobox.shape, OUTSIDE, np.int16)
    if not geometries:
        return zones
    projected = project_onto(geobox, np.asarray(geometries))
    # Later shapes overwrite earlier ones, so burn from the last to the first.
    numbered = [(shape, i) for i, shape in enumerate(projected)][::-1]
    rasterize(numbered, out=zones, transform=geobox.affine)
    return zones


def _check_polygons(geometries: Sequence[BaseGeometry]) -> None:
    if len(geometries) > np.iinfo(np.int16).max:
        raise GeometryInvalid(
            f"{len(geometries)} polygons: int16 can tell 32767 apart; take them in "
            f"parts · 多边形有 {len(geometries)} 个，最多 32767 个，请分批处理"
        )
    for i, geometry in enumerate(geometries):
        if geometry.geom_type not in {"Polygon", "MultiPolygon"} or geometry.is_empty:
            raise GeometryInvalid(
                f"geometry {i} is {geometry.wkt[:60]}: give non-empty polygons"
                f" · 第 {i} 个几何为 {geometry.wkt[:60]}，请给出非空多边形"
            )


def zone_mean(
    values: NDArray[Any], weights: NDArray[Any], zones: NDArray[np.int16], *, count: int
) -> ZoneMeans:
    """Weighted mean of a raster over zones.

    Parameters
    ----------
    values
        (y, x) numbers; NaN is left out together with its weight.
    weights
        (y, x), for example the crop fraction of a pixel; NaN and 0 leave it out.
    zones
        (y, x) from `zone_index`.
    count
        Number of zones.

    Returns
    -------
    ZoneMeans
        The mean is NaN where the weight is 0: a zone without one valid pixel.

    Raises
    ------
    GridInvalid
        Shapes differ, a weight is negative, or `zones` names a zone beyond `count`.
    """
    if not values.shape == weights.shape == zones.shape:
        raise GridInvalid(
            f"values {values.shape}, weights {weights.shape} and zones {zones.shape} "
            "must share one grid: give arrays of one shape"
            f" · 数值 {values.shape}、权重 {weights.shape} 和分区 {zones.shape} 须为"
            "同一格网，请给出形状一致的数组"
        )
    if (weights < 0).any() or zones.max(initial=OUTSIDE) >= count:
        raise GridInvalid(
            f"a weight is negative, or a zone is not below {count}: give weights from "
            "0 on, and the count of the polygons the zones were made of"
            f" · 有权重为负，或分区编号不小于 {count}，请检查权重和分区数"
        )
    used = (zones >= 0) & np.isfinite(values) & (weights > 0)
    zone, weight = zones[used], weights[used].astype(np.float64)
    # float64, because a county sums a hundred thousand pixels.
    weight_sum = np.bincount(zone, weight, minlength=count).astype(np.float64)
    value_sum = np.bincount(zone, weight * values[used], minlength=count)
    mean = np.full(count, np.nan)
    np.divide(value_sum, weight_sum, out=mean, where=weight_sum > 0)
    return ZoneMeans(mean=mean, weight=weight_sum)
