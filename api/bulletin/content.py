"""What a bulletin says: gathered from archive and store, no word of it written yet."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox
from shapely.geometry.base import BaseGeometry

from api.bulletin.curves import curves
from api.bulletin.words import BASIS_ZH
from api.growth_product import GrowthProduct, make_growth, seasons_alike
from api.growth_request import DATES, GrowthRequest, season_start
from api.growth_share import CropShare, crop_share
from api.growth_tables import counties_in, table_path, write_table, zone_table
from models.growth import (
    CropCalendar,
    Signal,
    Stage,
    calendar_of,
    phenology_signals,
    place_weather,
    temperature_signals,
    vhi_signal,
    water_index_signal,
    water_signals,
)
from models.growth.weather import PlaceWeather
from models.reasons import Reason
from raster.coverage import coverage
from raster.errors import AssetMissing, NoClearPixel
from store import Store, estimates, weather
from store.estimates import Estimate

__all__ = ["Bulletin", "gather", "years_of"]

# A weather table that ends earlier than this before the dekad's end is out of date.
_STALE_DAYS = 10


NOT_THE_CROP: Final = np.uint8(255)
"""Of pixels without the crop: they are not ungraded crop under cloud."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bulletin:
    """All that a bulletin of a county, a crop and a dekad says.

    Attributes
    ----------
    growth
        The county's row of `models.growth.growth_table`.
    grade
        uint8 (y, x), grade of each pixel, 0 for none; `NOT_THE_CROP` elsewhere.
    outline
        The county, EPSG:4326.
    curves
        Mean index by dekad, a column a year.
    weather
        Of this and past years; None where the store has none of the county.
    until
        Last day the weather signals count.
    signals
        With and without a number.
    estimate
        Yield of the crop as known at the dekad's end, else the newest; None without.
    caveats
        What a reader must know to not be misled.
    """

    request: GrowthRequest
    crop: str
    growth: dict[str, Any]
    grade: NDArray[np.uint8]
    geobox: GeoBox
    outline: BaseGeometry
    curves: pd.DataFrame
    weather: PlaceWeather | None
    weather_sources: tuple[str, ...]
    until: date | None
    signals: tuple[Signal, ...]
    stage: Stage | None
    calendar: CropCalendar | None
    estimate: Estimate | None
    run_id: str
    crop_map: str | None
    caveats: tuple[Reason, ...]
    simulated: bool


def gather(
    request: GrowthRequest,
    store: Store,
    *,
    crop: str,
    folder: Path,
    progress: Callable[[int, int], None] | None = None,
) -> Bulletin:
    """Gather a bulletin; the growth product is made in `folder`, or taken from there.

    Its table of the county is written beside it, as `heitu growth` does.

    Parameters
    ----------
    request
        Of one county.
    store
        Holds weather and estimates, as far as there are some.
    crop
        Of the crop map; where there is no crop map all land is taken, and it is said.

    Raises
    ------
    NoScenesThere
        The archive has no scenes of the county this year.
    CropUnknown
        There are crop maps, but none of this crop.
    raster.RasterError
        As of `raster.product.write_season`.
    """
    product = make_growth(request, folder, progress=progress)
    share = crop_share(request.archive, crop, request.geobox, year=request.day.year)
    pixels = None if share is None else share.share
    zone = coverage(request.geobox, [request.place.geometry])
    table = zone_table(product, counties_in(request.place), share=share, crop=crop)
    write_table(table, table_path(product, f"counties-{crop}"))
    row = table.to_dict("records")
    days, sources, made_up = _weather(store, request)
    until = None if days is None else days.until(request.dekad.end)
    estimate = _estimate(store, request, crop)
    calendar = calendar_of(crop)
    signals = [
        *_weather_signals(days, request, until, calendar),
        *_index_signals(product, row[0], pixels, folder),
    ]
    grade = product.dataset()["grade"].to_numpy()
    return Bulletin(
        request=request,
        crop=crop,
        growth={str(key): value for key, value in row[0].items()},
        grade=grade if pixels is None else np.where(pixels > 0, grade, NOT_THE_CROP),
        geobox=request.geobox,
        outline=request.place.geometry,
        curves=curves(request, zone, share=pixels),
        weather=days,
        weather_sources=sources,
        until=until,
        signals=tuple(signals),
        stage=None if calendar is None else calendar.stage_at(request.dekad.end),
        calendar=calendar,
        estimate=estimate,
        run_id=request.recipe.run_id,
        crop_map=None if share is None else share.item.id,
        caveats=tuple(_caveats(request, share, days, until, calendar)),
        simulated=request.recipe.simulated
        or made_up
        or (estimate is not None and estimate.simulated)
        or (share is not None and share.simulated),
    )


def _weather(
    store: Store, request: GrowthRequest
) -> tuple[PlaceWeather | None, tuple[str, ...], bool]:
    """Load the county's weather, its sources, and whether any of it is simulated."""
    with store.connection() as conn:
        rows = weather.find(
            conn,
            start=date(request.wanted[0], 1, 1),
            end=request.dekad.end,
            counties=[request.place.key],
            columns=weather.ALL_COLUMNS,
        )
    if rows.empty:
        return None, (), False
    sources = tuple(sorted(rows["source"].dropna().unique()))
    latitude = request.place.geometry.centroid.y
    days = place_weather(rows, latitude=latitude)
    return days, sources, bool(rows["simulated"].any())


def _weather_signals(
    days: PlaceWeather | None,
    request: GrowthRequest,
    until: date | None,
    calendar: CropCalendar | None,
) -> list[Signal]:
    if days is None or until is None or until.year != request.day.year:
        return []
    past = [year for year in request.wanted if year < request.day.year]
    least = request.grading.min_years
    return [
        *temperature_signals(
            days, day=until, past_years=past, calendar=calendar, min_years=least
        ),
        *water_signals(days, day=until, past_years=past, min_years=least),
    ]


def _index_signals(
    product: GrowthProduct,
    row: dict[Any, Any],
    share: NDArray[np.float32] | None,
    folder: Path,
) -> list[Signal]:
    request = product.request
    dates = product.dates(request.place.geometry, share=share)
    last = (request.dekad.start - season_start(request.day.year)).days
    return [
        *phenology_signals(
            DATES,
            dates[-1],
            dates[:-1],
            last=float(last),
            min_years=request.grading.min_years,
        ),
        _water_index(request, share, folder),
        vhi_signal(row["vci"], float("nan")),
    ]


def _water_index(
    request: GrowthRequest, share: NDArray[np.float32] | None, folder: Path
) -> Signal:
    """Compare LSWI too, where the scenes of every year have the bands."""
    least = request.grading.min_years
    try:
        product = make_growth(request.of_index("lswi"), folder)
    except AssetMissing:
        gap = Reason(
            "scenes of this or past years have no short-wave infrared band",
            "今年或往年影像没有短波红外波段",
        )
        return water_index_signal(np.nan, [], min_years=least, gap=gap)
    except NoClearPixel:
        gap = Reason("no clear observation", "没有晴空观测")
        return water_index_signal(np.nan, [], min_years=least, gap=gap)
    found = product.zones([request.place.geometry], [request.place.key], share=share)
    values = found.mean[:, 0].tolist()
    return water_index_signal(values[-1], values[:-1], min_years=least)


def _estimate(store: Store, request: GrowthRequest, crop: str) -> Estimate | None:
    """Find the yield as it was known at the dekad's end, else whatever there is.

    Which of the two it is follows from its `as_of`, and the bulletin says it.
    """
    asked: dict[str, Any] = {
        "crop": crop,
        "year": request.day.year,
        "county": request.place.key,
        "measure": "yield",
    }
    with store.connection() as conn:
        found = estimates.find(conn, **asked, as_of=request.dekad.end)
        found = found or estimates.find(conn, **asked)
    return found[0] if found else None


def _caveats(
    request: GrowthRequest,
    share: CropShare | None,
    days: PlaceWeather | None,
    until: date | None,
    calendar: CropCalendar | None,
) -> list[Reason]:
    return [
        *_image_caveats(request, share),
        *_weather_caveats(request, days, until),
        *_limit_caveats(request, calendar),
        Reason(
            "the curves of past years are of whole seasons; the grade compares seasons "
            "that end with this dekad, of years that were seen in it",
            "往年曲线用整季资料；评级只比较截至本旬、且本旬有观测的年份",
        ),
    ]


def _image_caveats(request: GrowthRequest, share: CropShare | None) -> list[Reason]:
    found = []
    if share is None:
        found.append(
            Reason(
                "there is no crop map: all land of the county is compared",
                "没有作物分布图，统计对象为全县土地",
            )
        )
    else:
        year = share.item.properties.get("heitu:year", "")
        found.append(
            Reason(
                f"the crop map of {year} is laid over past years too: rotation and "
                "clouds change which fields speak",
                f"{year}年作物分布图同时用于往年，轮作和云会改变参与统计的地块",
            )
        )
    if not seasons_alike(request.collections):
        metres = f"{abs(request.geobox.resolution.x):g}"
        names = ", ".join(dict.fromkeys(request.collections.values()))
        found.append(
            Reason(
                f"years were seen by different scenes ({names}), compared on one grid "
                f"of {metres} m",
                f"各年影像来源不同（{names}），统一到{metres}米格网比较",
            )
        )
    if request.absent:
        years = [str(year) for year in sorted(request.absent)]
        found.append(
            Reason(f"no imagery in {', '.join(years)}", f"{'、'.join(years)}年没有影像")
        )
    return found


def _weather_caveats(
    request: GrowthRequest, days: PlaceWeather | None, until: date | None
) -> list[Reason]:
    if days is None or until is None or until.year != request.day.year:
        return [
            Reason(
                "the store has no weather of this county and season: no signals of "
                "heat, frost and drought",
                "数据库中没有该县本季气象资料，未给出热量、霜冻和旱涝信号",
            )
        ]
    late = (request.dekad.end - until).days
    if late == 0:
        return []
    stale = " and is out of date" if late > _STALE_DAYS else ""
    return [
        Reason(
            f"weather ends on {until}, {late} days before the dekad does{stale}",
            f"气象资料截至{until}，比本旬末早{late}天{'，资料已过时' if stale else ''}",
        )
    ]


def _limit_caveats(
    request: GrowthRequest, calendar: CropCalendar | None
) -> list[Reason]:
    cuts = ", ".join(f"{cut:g}" for cut in request.grading.cuts)
    basis = request.grading.basis
    found = [
        Reason(
            f"the limits of the grades ({basis}: {cuts}) and of the signals were "
            "chosen, they are of no standard",
            f"长势分级界限（{BASIS_ZH[basis]}：{cuts}）和各信号界限为自定，非标准限值",
        )
    ]
    if calendar is None:
        found.append(
            Reason(
                "there is no calendar of this crop: stages are left out",
                "没有该作物的生育期历，未判断生育期",
            )
        )
    elif not calendar.verified:
        found.append(
            Reason(
                f"growth stages: {calendar.source.en}",
                f"生育期：{calendar.source.zh}",
            )
        )
    return found


def years_of(bulletin: Bulletin) -> Sequence[int]:
    """Return the past years that the growth was compared with."""
    year = bulletin.request.day.year
    return [one for one in bulletin.request.seasons if one < year]
