"""Yield by light-use efficiency: light absorbed, times efficiency, times harvest index.

Monteith 1972 (Journal of Applied Ecology 9:747), as CASA (Potter et al. 1993, Global
Biogeochemical Cycles 7:811) and EC-LUE (Yuan et al. 2007, Agricultural and Forest
Meteorology 143:189) have it: ``biomass = sum(fAPAR * PAR * efficiency * T * W)``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from typing import Any, ClassVar, Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from models.errors import ShapeMismatch
from models.pixel_yield.errors import CropUnknown, SeriesInvalid, WeatherMissing
from models.pixel_yield.kernels import sum_light
from models.tables import require_columns, require_unique

__all__ = [
    "LIGHT_USE",
    "LightUse",
    "LightUseCrop",
    "county_light",
    "fapar",
    "temperature_scalar",
    "water_scalar",
]

Float = NDArray[np.float64]

# Photosynthetically active share of global radiation.
PAR_SHARE = 0.48

# fAPAR = 1.164 NDVI - 0.143 (Myneni and Williams 1994, Remote Sensing of Environment
# 49:200), and the most a closed canopy absorbs.
FAPAR_SLOPE, FAPAR_INTERCEPT, FAPAR_MOST = 1.164, -0.143, 0.95

# Share of a season's light under which the series must be known.
LEAST_SEEN = 0.9

_NODATA = -32768


@dataclass(frozen=True, slots=True, kw_only=True)
class LightUseCrop:
    """Parameters of a crop.

    Attributes
    ----------
    efficiency
        g of shoot dry matter for 1 MJ of absorbed PAR without stress.
    coldest, best, hottest
        degC of the temperature scalar.
    harvest_index
        Grain dry matter over shoot dry matter.
    moisture
        Of the grain as yields are told, % wet basis.
    """

    efficiency: float
    coldest: float
    best: float
    hottest: float
    harvest_index: float
    moisture: float = 14.0


# Efficiencies: maize 3.8 (Lindquist et al. 2005, Agronomy Journal 97:72); rice and
# soybean 1.39 and 1.02 g for 1 MJ of intercepted global radiation, of which half is PAR
# (Sinclair and Muchow 1999, Advances in Agronomy 65:215). Harvest indices are typical
# (Hay 1995, Annals of Applied Biology 126:197); temperatures are assumed. The county's
# estimate sets the level of a map, so an error common to all pixels cancels out.
LIGHT_USE = {
    "maize": LightUseCrop(
        efficiency=3.8, coldest=8.0, best=28.0, hottest=42.0, harvest_index=0.50
    ),
    "rice": LightUseCrop(
        efficiency=2.78, coldest=10.0, best=28.0, hottest=42.0, harvest_index=0.50
    ),
    "soybean": LightUseCrop(
        efficiency=2.04, coldest=8.0, best=27.0, hottest=40.0, harvest_index=0.42
    ),
}


def fapar(ndvi: ArrayLike) -> Float:
    """Tell the absorbed share of PAR, 0..0.95, by a line of NDVI; NaN stays NaN."""
    share = FAPAR_SLOPE * np.asarray(ndvi, np.float64) + FAPAR_INTERCEPT
    return np.clip(share, 0, FAPAR_MOST)


def temperature_scalar(celsius: ArrayLike, crop: LightUseCrop) -> Float:
    """Tell what temperature leaves of the efficiency, 0..1.

    ``(T-a)(T-c) / ((T-a)(T-c) - (T-b)^2)`` between coldest a and hottest c, with its
    peak at b; 0 outside (Raich et al. 1991, Ecological Applications 1:399).
    """
    t = np.asarray(celsius, np.float64)
    product = (t - crop.coldest) * (t - crop.hottest)
    with np.errstate(divide="ignore", invalid="ignore"):
        scalar = product / (product - (t - crop.best) ** 2)
    return np.where(np.isnan(t), np.nan, np.where(product < 0, scalar, 0.0))


def water_scalar(ratio: ArrayLike) -> Float:
    """Tell what water leaves of the efficiency: ``0.5 + 0.5 * ratio``, 0.5..1.

    `ratio` is actual over potential evapotranspiration (Potter et al. 1993).
    """
    return 0.5 + 0.5 * np.clip(np.asarray(ratio, np.float64), 0, 1)


def county_light(
    weather: pd.DataFrame,
    *,
    counties: Sequence[str],
    days: Sequence[date],
    crop: str,
    start: date,
    end: date,
    combine: Literal["product", "least"] = "product",
) -> Float:
    """Usable PAR that falls to each step of a series.

    The absorbed share runs in straight lines between the days of the steps, and stays
    constant before the first and after the last, so the sum over the days is a sum
    over the steps: each day's light is split between the two steps around it.

    Parameters
    ----------
    weather
        county, day, tmin, tmax (degC), radiation (MJ/m2 a day), and perhaps ``water``,
        actual over potential evapotranspiration; without it water limits nothing.
    counties
        In the order of the rows of the result.
    days
        (steps,), increasing: the middle of each step.
    crop
        A key of `LIGHT_USE`.
    start, end
        First and last day of growth.
    combine
        How the scalars of temperature and water join: "product" as in CASA, "least"
        as in EC-LUE.

    Returns
    -------
    float64 (counties, steps), MJ/m2. NaN in each county that lacks a day.

    Raises
    ------
    CropUnknown, ColumnMissing, RowsDuplicated, SeriesInvalid
    WeatherMissing
        No county has all days.
    """
    wanted = _wanted_days(days, start, end)
    used = _daily(weather, counties, wanted, _crop(crop), combine)
    if not np.isfinite(used).all(axis=1).any():
        raise WeatherMissing(
            f"no county has weather for every day from {start} to {end}: bring it in "
            f"with `heitu ingest weather` · {start} 至 {end} 没有完整的县级气象数据，"
            "请先用 `heitu ingest weather` 导入"
        )
    middles = np.array([np.datetime64(day) for day in days]).astype(float)
    at = wanted.to_numpy("datetime64[D]").astype(float)
    shares = np.stack([np.interp(at, middles, row) for row in np.eye(len(days))])
    return np.asarray(used @ shares.T)


@dataclass(frozen=True, slots=True, kw_only=True)
class LightUse:
    """Light-use model of one crop over blocks of a season.

    Attributes
    ----------
    crop
        A key of `LIGHT_USE`.
    light
        float64 (zones, steps) from `county_light`.
    scale
        Of the int16 NDVI.
    """

    inputs: ClassVar[tuple[str, ...]] = ("ndvi_smooth",)

    crop: str
    light: Float
    scale: float = 1e-4

    def __call__(
        self, block: dict[str, NDArray[Any]], zones: NDArray[np.int16]
    ) -> NDArray[np.float32]:
        """Yield of a block's pixels.

        Parameters
        ----------
        block
            "ndvi_smooth": int16 (time, y, x), nodata -32768, as a season holds it.
        zones
            int16 (y, x), row of `light`, -1 outside all.

        Returns
        -------
        float32 (y, x), t/ha at the crop's moisture. NaN outside all zones, where less
        than 90 % of the season's light falls on known steps, and without weather.

        Raises
        ------
        SeriesInvalid, ShapeMismatch, CropUnknown
        """
        series = block["ndvi_smooth"]
        self._check(series, zones)
        parameters = _crop(self.crop)
        absorbed = np.empty(zones.size, np.float32)
        line = (FAPAR_SLOPE * self.scale, FAPAR_INTERCEPT, FAPAR_MOST)
        flat = np.ascontiguousarray(series.reshape(len(series), -1))
        sum_light(
            flat,
            np.ascontiguousarray(zones.ravel()),
            self.light,
            line,
            _NODATA,
            LEAST_SEEN,
            absorbed,
        )
        dry = parameters.efficiency * parameters.harvest_index / 100
        factor = np.float32(dry / (1 - parameters.moisture / 100))
        return (absorbed * factor).reshape(zones.shape)

    def _check(self, series: NDArray[Any], zones: NDArray[np.int16]) -> None:
        if series.dtype != np.int16 or series.ndim != 3:
            raise SeriesInvalid(
                f"NDVI is {series.dtype} with {series.ndim} dims: give int16 "
                "(time, y, x) as a season holds it"
                " · NDVI 须为生长季产品中的 int16（时间, y, x）数组"
            )
        if series.shape[1:] != zones.shape or len(series) != self.light.shape[1]:
            raise ShapeMismatch(
                f"NDVI {series.shape}, zones {zones.shape}, light of "
                f"{self.light.shape[1]} steps: make all of one grid and one season"
                " · NDVI、分区与光照的形状不一致"
            )
        if zones.max(initial=-1) >= len(self.light):
            raise ShapeMismatch(
                f"zone {zones.max()} has no weather: only {len(self.light)} are given"
                f" · 分区 {zones.max()} 没有对应的气象数据"
            )


def _crop(name: str) -> LightUseCrop:
    if name not in LIGHT_USE:
        raise CropUnknown(
            f"no light-use parameters for {name!r}: one of {', '.join(LIGHT_USE)}"
            f" · 没有作物 {name} 的光能利用参数，可用：{'、'.join(LIGHT_USE)}"
        )
    return LIGHT_USE[name]


def _wanted_days(days: Sequence[date], start: date, end: date) -> pd.DatetimeIndex:
    ordered = all(a < b for a, b in pairwise(days))
    if not days or not ordered or start > end:
        raise SeriesInvalid(
            f"{len(days)} step days from {start} to {end}: give increasing days, and "
            "an end after the start · 时间步须递增，且结束日期不早于开始日期"
        )
    return pd.date_range(start, end)


def _daily(
    weather: pd.DataFrame,
    counties: Sequence[str],
    days: pd.DatetimeIndex,
    crop: LightUseCrop,
    combine: str,
) -> Float:
    """PAR a day that temperature and water leave usable, (counties, days)."""
    require_columns(
        weather, ["county", "day", "tmin", "tmax", "radiation"], table="weather"
    )
    require_unique(weather, ["county", "day"], table="weather")
    table = weather.assign(day=pd.to_datetime(weather["day"]))

    def field(column: str) -> Float:
        wide = table.pivot(index="county", columns="day", values=column)
        return wide.reindex(index=list(counties), columns=days).to_numpy(np.float64)

    warm = temperature_scalar((field("tmin") + field("tmax")) / 2, crop)
    wet = water_scalar(field("water")) if "water" in weather else np.ones_like(warm)
    left = warm * wet if combine == "product" else np.minimum(warm, wet)
    return np.asarray(PAR_SHARE * field("radiation") * left)
