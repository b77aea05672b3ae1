"""What a crop map looks at: the declared inputs of a model, and how they are read.

A feature is a variable of the season at one time step, ``ndvi_smooth_0711`` for the
step that begins on 11 July, or one of its metrics, ``peak``. Values are physical
(index values, days since the first day) in float32, NaN where the season has nodata.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any, Self

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from models.crop_map.errors import FeatureMismatch
from raster.step import Step, TimeStep, dekads, months, spans

__all__ = ["FeaturePlan", "Layer", "Planes"]

# A year without 29 February, for the names of steps.
_YEAR = 2001

CLEAR_COUNT = "clear_count"


@dataclass(frozen=True, slots=True)
class Layer:
    """How the stored integers of one feature become values; `nodata` means NaN."""

    scale: float
    offset: float
    nodata: int

    def values(self, stored: NDArray[np.int16]) -> NDArray[np.float32]:
        """Return physical values, float32, NaN for nodata."""
        # In float64 first: the lookup tables of the map round in the same place.
        values = (stored * self.scale + self.offset).astype(np.float32)
        return np.where(stored == self.nodata, np.float32(np.nan), values)


@dataclass(frozen=True, slots=True)
class Planes:
    """The features of a block or of some pixels, as the season stores them.

    Attributes
    ----------
    stored : int16 (feature, pixel)
    layers : how each feature's integers are read
    clear : bool (pixel,), whether a pixel was seen often enough
    """

    stored: NDArray[np.int16]
    layers: tuple[Layer, ...]
    clear: NDArray[np.bool_]

    def values(self, pixels: slice | NDArray[np.intp]) -> NDArray[np.float32]:
        """Return physical values of some pixels, float32 (pixel, feature)."""
        columns = [
            layer.values(row[pixels])
            for layer, row in zip(self.layers, self.stored, strict=True)
        ]
        return np.stack(columns, axis=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class FeaturePlan:
    """The declared inputs of a crop map.

    Attributes
    ----------
    series : variables over time of `raster.season`, each step a feature
    metrics : variables of the season without time, each a feature
    step : time step of the season
    first, last : (month, day) of the season's first and last day
    index : index whose season the metrics tell of
    least_clear : share of the steps that need a clear observation; a pixel seen less
        often gets `classes.NODATA`, not a class
    most_missing : share of the features that may be NaN, likewise. Below it a NaN is
        an input like others: trees of both methods send it to the side that they
        learned in training.
    """

    series: tuple[str, ...] = ("ndvi_smooth", "lswi_smooth", "ndre_smooth")
    metrics: tuple[str, ...] = ("sos", "pos", "eos", "peak", "base", "integral")
    step: Step = "dekad"
    first: tuple[int, int] = (4, 1)
    last: tuple[int, int] = (10, 31)
    index: str = "ndvi"
    least_clear: float = 1 / 3
    most_missing: float = 0.5

    def __post_init__(self) -> None:
        if not (self.series or self.metrics):
            raise FeatureMismatch(
                "a crop map needs inputs: name some series, as ndvi_smooth, or metrics"
                " · 作物图需要输入特征，请至少给出一个序列或指标"
            )
        if not (0 <= self.least_clear <= 1 and 0 <= self.most_missing < 1):
            raise FeatureMismatch(
                f"least_clear {self.least_clear} and most_missing {self.most_missing}: "
                "give shares, from 0 to 1 and from 0 to below 1"
                " · 晴空比例须在 0 至 1 之间，缺测比例须在 0 至 1 之间（不含 1）"
            )

    @property
    def variables(self) -> tuple[str, ...]:
        """What to ask of `raster.season.season`."""
        return (*self.series, *self.metrics, CLEAR_COUNT)

    def window(self, year: int) -> tuple[date, date]:
        """Return first and last day of the season that ends in `year`."""
        start, end = date(year, *self.first), date(year, *self.last)
        # Winter wheat is sown in the year before the one it is named after.
        return (start if start <= end else date(year - 1, *self.first)), end

    def steps(self, year: int = _YEAR) -> tuple[TimeStep, ...]:
        """Return the time steps of the season that ends in `year`."""
        start, end = self.window(year)
        if self.step == "dekad":
            return dekads(start, end)
        if self.step == "month":
            return months(start, end)
        if isinstance(self.step, int):
            return spans(start, end, days=self.step)
        raise FeatureMismatch(
            f"steps {self.step!r} differ from year to year: take dekad, month or a "
            f"number of days · 步长 {self.step!r} 年际不一致，请用旬、月或天数"
        )

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the features, in their order."""
        days = [f"{step.start:%m%d}" for step in self.steps()]
        over_time = [f"{name}_{day}" for name in self.series for day in days]
        return (*over_time, *self.metrics)

    def planes(self, season: Mapping[str, xr.DataArray] | xr.Dataset) -> Planes:
        """Read the features of a season's pixels.

        Parameters
        ----------
        season
            The variables `variables` as `raster.season.season` gives them, computed
            and not decoded: dims (time, ...) for series, (...) for metrics.

        Raises
        ------
        FeatureMismatch
            A variable is absent, has other steps, or does not tell its nodata.
        """
        count = len(self.steps())
        rows: list[NDArray[np.int16]] = []
        layers: list[Layer] = []
        for name in (*self.series, *self.metrics):
            # Left as integers: floats would be twice the memory, and the tables look up
            # integers.
            found = self.variable(season, name)
            shape = (count, -1) if name in self.series else (1, -1)
            if name in self.series and found.shape[0] != count:
                raise _other_steps(name, found.shape[0], count)
            stored = np.asarray(found.values).reshape(shape)
            rows.append(stored)
            layers += [_layer(found)] * stored.shape[0]
        seen = np.asarray(self.variable(season, CLEAR_COUNT).values).reshape(count, -1)
        return Planes(np.concatenate(rows), tuple(layers), self.often_seen(seen))

    def variable(
        self, season: Mapping[str, xr.DataArray] | xr.Dataset, name: str
    ) -> xr.DataArray:
        """Return a variable of the season.

        Raises
        ------
        FeatureMismatch
            There is none of this name.
        """
        try:
            return season[name]
        except KeyError:
            there: Sequence[str] = sorted(map(str, season))
            raise FeatureMismatch(
                f"the season has no variable {name}, only {', '.join(there)}: ask for "
                f"the variables of the plan, {', '.join(self.variables)}"
                f" · 生长季数据缺少变量 {name}，请按模型声明的变量重新计算"
            ) from None

    def often_seen(self, clear_count: NDArray[np.integer]) -> NDArray[np.bool_]:
        """Whether pixels were seen in enough steps, bool (pixel,).

        Parameters
        ----------
        clear_count : integer (time, pixel)
            Clear observations of each step.
        """
        steps = clear_count.shape[0]
        seen = np.count_nonzero(clear_count, axis=0)
        return np.asarray(seen >= self.least_clear * steps - 1e-9)

    def complete(self, values: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Whether few enough features of a sample are NaN, bool (sample,)."""
        missing = np.isnan(values).sum(axis=1)
        return np.asarray(missing <= self.missing_allowed)

    @property
    def missing_allowed(self) -> int:
        """How many features of a pixel may be NaN."""
        return int(self.most_missing * len(self.names))

    def described(self) -> dict[str, Any]:
        """Return the plan as plain JSON; `of` reads it."""
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in asdict(self).items()
        }

    @classmethod
    def of(cls, described: Mapping[str, Any]) -> Self:
        """Make the plan that was described."""
        tuples = ("series", "metrics", "first", "last")
        return cls(**{**described, **{name: tuple(described[name]) for name in tuples}})


def _layer(variable: xr.DataArray) -> Layer:
    said = variable.attrs
    if variable.dtype != np.int16 or "_FillValue" not in said:
        raise FeatureMismatch(
            f"{variable.name} is {variable.dtype} and its nodata is "
            f"{said.get('_FillValue')}: give the season as raster.season makes it, not "
            "decoded"
            f" · 变量 {variable.name} 的类型为 {variable.dtype}，"
            "请使用未解码的生长季数据"
        )
    scale, offset = said.get("scale_factor", 1.0), said.get("add_offset", 0.0)
    return Layer(float(scale), float(offset), int(said["_FillValue"]))


def _other_steps(name: str, found: int, wanted: int) -> FeatureMismatch:
    return FeatureMismatch(
        f"{name} has {found} steps, the plan {wanted}: make the season with the plan's "
        "step and window"
        f" · 变量 {name} 有 {found} 个时间步，模型需要 {wanted} 个，请按模型的步长和"
        "时段计算生长季"
    )
