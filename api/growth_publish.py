"""Growth on the page: its grades and its difference, as products of the archive."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from api.bulletin.words import BASIS_ZH, GRADE_COLOURS, crop_name, dekad_name
from api.growth_product import GrowthProduct, seasons_alike
from api.growth_share import CropShare
from api.raster_file import open_raster
from ingest.archive import PRODUCTS, BandData
from models.features import CROPS
from models.growth import GRADES
from models.reasons import Reason
from raster.composite import NODATA

__all__ = ["DIFFERENCE", "GRADE", "is_published", "publish"]

GRADE: Final = "growth-grade"
DIFFERENCE: Final = "growth-difference"

# Ends of the colours of a difference on the page.
_RANGE = (-0.2, 0.2)

# More than this is not copied into the archive in one piece.
_MOST_PIXELS = 50_000_000

# Stand in the product's own item.
_LONG = {"heitu:inputs", "heitu:parameters", "heitu:kind"}

_NO_GRADE = 0


def publish(product: GrowthProduct, *, share: CropShare | None, crop: str) -> list[str]:
    """Put grades and difference into the archive; returns the products' ids.

    Only pixels of the crop are drawn. Nothing is published where the map is too large
    to be copied in one piece: the COGs are in the folder.

    Raises
    ------
    ingest.IngestError
        The archive cannot take them.
    """
    request = product.request
    if request.geobox.shape.y * request.geobox.shape.x > _MOST_PIXELS:
        return []
    name = product.item.id if share is None else f"{product.item.id}-{crop}"
    common = _common(product, share, crop)
    grades = BandData(
        _pixels(product, "grade", share, nodata=_NO_GRADE),
        request.geobox,
        nodata=_NO_GRADE,
    )
    difference = BandData(
        _pixels(product, "difference", share, nodata=NODATA),
        request.geobox,
        nodata=NODATA,
        scale=request.scale,
        offset=0.0,
    )
    looks: dict[str, dict[str, Any]] = {
        GRADE: _titles(product, share, crop, what=Reason("growth", "长势等级"))
        | {"heitu:unit": "grade", "heitu:classes": _classes()},
        DIFFERENCE: _titles(
            product,
            share,
            crop,
            what=Reason(f"{request.index.upper()} difference", "长势差值"),
        )
        | {
            "heitu:unit": f"Δ{request.index.upper()}",
            "heitu:range": list(_RANGE),
            "heitu:colormap": "rdylgn",
        },
    }
    made = []
    for kind, asset in ((GRADE, grades), (DIFFERENCE, difference)):
        made.append(f"{name}-{kind.removeprefix('growth-')}")
        request.archive.add_product(
            product_id=made[-1],
            kind=kind,
            geobox=request.geobox,
            asset=asset,
            properties=common | looks[kind],
        )
    return made


def is_published(product: GrowthProduct, *, crop: str) -> bool:
    """Whether the archive has this very growth of a crop."""
    archive = product.request.archive
    for kind in (GRADE, DIFFERENCE):
        name = f"{product.item.id}-{crop}-{kind.removeprefix('growth-')}"
        if not archive.has(PRODUCTS, name):
            return False
        said = archive.item(PRODUCTS, name).properties
        if said.get("heitu:run") != product.request.recipe.run_id:
            return False
    return True


def _pixels(
    product: GrowthProduct, layer: str, share: CropShare | None, *, nodata: int
) -> NDArray[Any]:
    with open_raster(str(product.folder / f"{layer}.tif")) as source:
        pixels: NDArray[Any] = source.read(1)
    if share is None:
        return pixels
    return np.where(share.share > 0, pixels, pixels.dtype.type(nodata))


def _common(
    product: GrowthProduct, share: CropShare | None, crop: str
) -> dict[str, Any]:
    request = product.request
    made = {k: v for k, v in request.properties().items() if k not in _LONG}
    simulated = request.recipe.simulated or (share is not None and share.simulated)
    mapped = {} if share is None else {"heitu:crop_map": share.item.id}
    if share is not None and crop in CROPS:
        mapped["heitu:crop"] = crop
    return made | {
        **mapped,
        "heitu:simulated": simulated,
        "heitu:period": [
            request.dekad.start.isoformat(),
            request.dekad.end.isoformat(),
        ],
        "heitu:warnings": [
            {"en": one.en, "zh": one.zh} for one in _warnings(product, share)
        ],
    }


def _titles(
    product: GrowthProduct, share: CropShare | None, crop: str, *, what: Reason
) -> dict[str, str]:
    request = product.request
    place, dekad = request.place, request.dekad
    land = "all" if share is None else crop
    en, zh = crop_name(land, "en"), crop_name(land, "zh")
    days = f"{dekad.start.day}–{dekad.end.day} {dekad.start:%b %Y}"
    tenth = dekad_name(dekad, "zh").split("（")[0]
    return {
        "title": f"{en[:1].upper()}{en[1:]} {what.en}, {place.name_en}, {days}",
        "heitu:title_zh": f"{tenth}{place.name_zh}{zh}{what.zh}",
    }


def _classes() -> list[dict[str, Any]]:
    return [
        {
            "value": value,
            "name": word.en.replace(" ", "-"),
            "name_en": word.en,
            "name_zh": word.zh,
            "colour": colour,
        }
        for value, (word, colour) in enumerate(
            zip(GRADES, GRADE_COLOURS, strict=True), start=1
        )
    ]


def _warnings(product: GrowthProduct, share: CropShare | None) -> list[Reason]:
    """Return what a reader of the map has to know."""
    request = product.request
    cuts = ", ".join(f"{cut:g}" for cut in request.grading.cuts)
    basis = request.grading.basis
    found = [
        Reason(
            f"the limits of the grades ({basis}: {cuts}) were chosen, they are of no "
            "standard",
            f"分级界限（{BASIS_ZH[basis]}：{cuts}）为自定，非标准限值",
        )
    ]
    if share is None:
        found.append(Reason("no crop map: all land counts", "没有作物图，按全部土地"))
    if not seasons_alike(request.collections):
        found.append(Reason("years were seen by different scenes", "各年影像来源不同"))
    if request.absent:
        years = ", ".join(map(str, sorted(request.absent)))
        found.append(Reason(f"no imagery in {years}", f"{years} 年没有影像"))
    return found
