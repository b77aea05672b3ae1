"""A yield map as a product of the archive: pixels, uncertainty and account."""

import math
from collections.abc import Container, Mapping, Sequence
from typing import Any, Final

from odc.geo.geobox import GeoBox

from api.lineage import Recipe
from api.yield_map_make import Counties, YieldMap
from ingest.archive import Archive, BandData
from models.pixel_yield import NODATA, SCALE, STATUS_WORDING, CountyFit, Method
from store.counties import County

__all__ = ["KIND", "UNCERTAINTY", "product_id", "publish"]

KIND: Final = "yield-map"

UNCERTAINTY: Final = "uncertainty"
"""Asset of the standard deviations, beside "data"."""

# Ends of the colour scales, t/ha: the same for every grid and year, to compare them.
YIELD_RANGE = {"maize": (4.0, 12.0), "rice": (6.0, 10.0), "soybean": (1.0, 3.0)}
DEVIATION_RANGE = {"maize": (0.0, 2.0), "rice": (0.0, 2.0), "soybean": (0.0, 0.8)}

CROP_ZH = {"maize": "玉米", "rice": "水稻", "soybean": "大豆"}


def product_id(crop: str, year: int, grid: str) -> str:
    """Return the id of a yield map in the archive."""
    return f"yield-{crop}-{year}-{grid}"


def publish(
    archive: Archive,
    name: str,
    made: YieldMap,
    *,
    geobox: GeoBox,
    places: Sequence[County],
    counties: Counties,
    recipe: Recipe,
    crop: str,
    year: int,
    shown: Container[int] | None = None,
) -> None:
    """Write a map into the archive, in the place of one of the same id.

    Its assets are ``data`` and ``uncertainty``: uint16, kg/ha (* 0.001 t/ha), nodata
    65535. Without any known deviation there is no ``uncertainty``.

    Parameters
    ----------
    geobox
        Of the map's pixels.
    places, counties
        In the order of the map's fits.
    shown
        Positions of the counties to account for; None for all of them.
    """
    layers, described = {}, {}
    if (made.uncertainty != NODATA).any():
        layers[UNCERTAINTY] = _band(made.uncertainty, geobox)
        described["heitu:uncertainty"] = _uncertainty(made, crop, year)
    archive.add_product(
        product_id=name,
        kind=KIND,
        geobox=geobox,
        asset=_band(made.county_map.pixels, geobox),
        layers=layers,
        properties={
            "title": f"{crop.capitalize()} yield {year}, {_metres(geobox)} m",
            "heitu:title_zh": f"{year} 年{CROP_ZH[crop]}单产（{_metres(geobox)} 米）",
            "heitu:crop": crop,
            "heitu:year": year,
            "heitu:run": recipe.run_id,
            "heitu:simulated": recipe.simulated,
            "heitu:unit": "t/ha",
            "heitu:range": list(YIELD_RANGE[crop]),
            "heitu:colormap": "ylgn",
            "heitu:counties": [
                one
                for i, one in enumerate(_accounts(made, places, counties))
                if shown is None or i in shown
            ],
            "heitu:warnings": [
                {"en": one.english, "zh": one.chinese} for one in made.warnings
            ],
            **described,
        },
    )


def _metres(geobox: GeoBox) -> int:
    return round(abs(geobox.resolution.x))


def _band(array: Any, geobox: GeoBox) -> BandData:  # noqa: ANN401
    return BandData(array, geobox, nodata=NODATA, scale=SCALE, offset=0.0)


def _uncertainty(made: YieldMap, crop: str, year: int) -> Mapping[str, Any]:
    return {
        "asset": UNCERTAINTY,
        "measure": "standard deviation",
        "holds": str(made.holds),
        "unit": "t/ha",
        "range": list(DEVIATION_RANGE[crop]),
        "colormap": "oranges",
        "title_en": f"Standard deviation of the {crop} yield {year}",
        "title_zh": f"{year} 年{CROP_ZH[crop]}单产的标准差",
    }


def _accounts(
    made: YieldMap, places: Sequence[County], counties: Counties
) -> list[dict[str, Any]]:
    """Tell what became of each county, in the order of the places."""
    rows = zip(places, made.county_map.fits, made.methods, strict=True)
    return [
        {
            "code": county.code,
            "name_zh": county.name_zh,
            "name_en": county.name_en,
            **_account(fit, method, counties.reasons.get(i)),
            "sd": _number(float(counties.sds[i])),
        }
        for i, (county, fit, method) in enumerate(rows)
    ]


def _account(fit: CountyFit, method: Method, reason: str | None) -> dict[str, Any]:
    english, chinese = STATUS_WORDING[fit.status]
    if math.isnan(fit.target) and reason is not None:
        why, _, why_zh = reason.partition(" · ")
        english, chinese = f"{english}: {why}", f"{chinese}：{why_zh or why}"
    return {
        "status": str(fit.status),
        "en": english,
        "zh": chinese,
        "method": str(method),
        "estimate": _number(fit.target),
        "mean": _number(fit.mean),
        "difference": _number(fit.difference),
        "pixels": fit.pixels,
        "seen": _number(fit.seen),
        "capped": _number(fit.capped),
    }


def _number(value: float) -> float | None:
    return None if math.isnan(value) else value
