"""Light use of the crops' pixels, computed in the same pass as the season itself."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from typing import Any, Final
from uuid import uuid4

import dask.array as da
import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from api.ground import Ground
from api.lineage import table_checksum
from api.seasons import YearSeason
from models.features import CROPS
from models.pixel_yield import LIGHT_USE, LightUse, WeatherMissing, county_light
from store import Store, weather

__all__ = ["INPUTS", "Light", "drawn", "light_of", "season_light", "with_light"]

# A pixel with less of the crop than this is not drawn: its season is another's.
SMALLEST_FRACTION = 0.1

INPUTS: Final = ("ndvi_smooth",)
"""Season variables that light use is made from."""

NODATA = -32768
SCALE = 0.002
"""t/ha in one step of a stored light use: up to 65 t/ha fit into int16."""

# Below this the season has told too little of the light that was used.
_LEAST_DAYS = 60

_COLUMNS = ("county", "day", "tmin", "tmax", "radiation", "simulated")


@dataclass(frozen=True, slots=True, kw_only=True)
class Light:
    """The weather that light use is made from.

    Attributes
    ----------
    weather
        county, day, tmin, tmax, radiation, simulated.
    start, end
        First and last day of growth; the last is that of scenes and weather where
        they end before the season does.
    whole
        Whether it reaches the end of the season.
    """

    weather: pd.DataFrame
    start: date
    end: date
    whole: bool

    @property
    def is_known(self) -> bool:
        """Whether there is enough of it for light use at all."""
        days = (self.end - self.start).days + 1
        return len(self.weather) > 0 and days >= _LEAST_DAYS

    @property
    def simulated(self) -> bool:
        """Whether any of the weather is."""
        return self.is_known and bool(self.weather["simulated"].any())

    @property
    def inputs(self) -> dict[str, str]:
        """What goes into the run: the checksum of the weather."""
        return {"weather": table_checksum(self.weather)} if self.is_known else {}

    def by_county(
        self, codes: Sequence[str], days: Sequence[date], crop: str
    ) -> NDArray[np.float64] | None:
        """Light of the steps of a season, (county, step); None where nobody has it."""
        if not self.is_known or crop not in LIGHT_USE:
            return None
        try:
            return county_light(
                self.weather,
                counties=codes,
                days=days,
                crop=crop,
                start=self.start,
                end=self.end,
            )
        except WeatherMissing:
            return None

    def layers(self, lazy: xr.Dataset, *, ground: Ground) -> xr.Dataset:
        """Put ``light_CROP`` in the place of `INPUTS`: int16 (y, x), * `SCALE` t/ha."""
        series = lazy["ndvi_smooth"]
        rest = lazy.drop_vars(INPUTS)
        made = {}
        for crop in CROPS:
            light = self.by_county(ground.codes, _middles(lazy), crop)
            if light is not None:
                model = LightUse(crop=crop, light=light)
                grown = drawn(ground.fraction(CROPS.index(crop))) > 0
                zones = np.where(grown, ground.zones, np.int16(-1)).astype(np.int16)
                made[f"light_{crop}"] = (("y", "x"), _lazy(series, zones, model), _SAID)
        return rest.assign(made)


_SAID: Mapping[str, Any] = {
    "units": "t/ha",
    "long_name": "light use x harvest index",
    "grid_mapping": "spatial_ref",
    "scale_factor": SCALE,
    "_FillValue": np.int16(NODATA),
}


def drawn(fraction: NDArray[np.float32]) -> NDArray[np.float32]:
    """Crop shares with those too small to be drawn put to 0; NaN stays."""
    return np.where(fraction < SMALLEST_FRACTION, np.float32(0), fraction)


def season_light(store: Store, year_season: YearSeason) -> Light:
    """Read the weather of a season from 1 May to 30 September, or as far as it goes."""
    start, last = date(year_season.year, 5, 1), date(year_season.year, 9, 30)
    codes = year_season.ground.codes
    with store.connection() as conn:
        table = weather.find(
            conn, start=start, end=last, counties=codes, columns=_COLUMNS
        )
    items = year_season.items
    seen = items[-1].datetime if items else None
    ends = [last] if seen is None else [last, seen.date()]
    if len(table):
        ends.append(table["day"].max().date())
    end = max(min(ends), start)
    return Light(
        weather=table[table["day"] <= pd.Timestamp(end)],
        start=start,
        end=end,
        whole=end == last,
    )


def with_light(store: Store, year_season: YearSeason) -> YearSeason:
    """Let a season carry its light use, so that both are computed in one pass."""
    light = season_light(store, year_season)
    year_season.derive = INPUTS, partial(light.layers, ground=year_season.ground)
    return year_season


def light_of(computed: xr.Dataset, crop: str) -> NDArray[np.float32]:
    """Return the light use of a crop, float32 (y, x) in t/ha, NaN where unknown."""
    name = f"light_{crop}"
    if name not in computed:
        return np.full(computed["peak"].shape, np.nan, np.float32)
    stored = computed[name].to_numpy()
    tonnes = stored * np.float32(SCALE)
    tonnes[stored == NODATA] = np.nan
    return np.asarray(tonnes, np.float32)


def _middles(lazy: xr.Dataset) -> list[date]:
    """Return the middle day of each step."""
    edges = lazy["time_bnds"].to_numpy().astype("datetime64[D]").astype(object)
    return [first + (past - timedelta(days=1) - first) / 2 for first, past in edges]


def _lazy(series: xr.DataArray, zones: NDArray[np.int16], model: LightUse) -> da.Array:
    blocks = series.data
    chunks = ((1,), *blocks.chunks[1:])
    places = da.from_array(zones[None], chunks=chunks)  # type: ignore[no-untyped-call]
    made: da.Array = da.map_blocks(  # type: ignore[no-untyped-call]
        partial(_block, model=model),
        blocks,
        places,
        drop_axis=0,
        dtype=np.int16,
        meta=np.empty((0, 0), np.int16),
        name=f"light-{model.crop}-{uuid4().hex}",
    )
    return made


def _block(
    series: NDArray[np.int16], zones: NDArray[np.int16], *, model: LightUse
) -> NDArray[np.int16]:
    tonnes = model({"ndvi_smooth": series}, zones[0])
    steps = np.rint(tonnes / np.float32(SCALE))
    # A yield that does not fit is no yield: the model was told nonsense.
    known = np.isfinite(steps) & (steps <= np.iinfo(np.int16).max)
    return np.where(known, steps, NODATA).astype(np.int16)
