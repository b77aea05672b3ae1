"""`heitu crop-map apply`: from a season and a model to a published crop map.

The map is computed block by block into a working product, which an interrupted run goes
on from, and is then moved into the archive as a product with its accuracy.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
import pystac
import xarray as xr
from odc.geo.geobox import GeoBox

from api.lineage import Recipe, code_version
from api.raster_file import open_raster
from api.reasons import Warned
from api.season_product import SeasonRequest
from ingest.archive import PRODUCTS, Archive
from ingest.band import BandFile
from ingest.errors import ItemInvalid, ItemUnknown
from models.crop_map.accuracy import Accuracy, required_accuracy
from models.crop_map.classes import CLASSES, NODATA
from models.crop_map.cube import LAYERS, crop_map
from models.crop_map.model import MODEL_VERSION, CropMapModel
from models.crop_map.model_file import model_id
from raster.files import remove
from raster.product import check_product_id, write_season

__all__ = [
    "KIND",
    "CropMapRequest",
    "Warned",
    "make_crop_map",
    "published_crop_map",
    "season_options",
]

KIND: Final = "crop-classes"
"""Not "crop-map", which are shares of crops in each pixel."""

# The archive's key of each layer.
_ASSETS = {
    "crop": "data",
    "probability": "probability",
    "extrapolation": "extrapolation",
}

# A share of pixels outside the area of applicability that is worth a warning.
_FAR = 0.1


@dataclass(frozen=True, kw_only=True)
class CropMapRequest:
    """What crop map is wanted.

    Attributes
    ----------
    season
        The season below it, with the variables and step of the model's plan; see
        `season_options`.
    model
        A trained crop map.
    told
        Accuracy of this map by an independent sample; None for the model's own.
    name
        Id of the product; None for one made of place, year and collection.
    """

    season: SeasonRequest
    model: CropMapModel
    told: Accuracy | Mapping[str, Any] | None = None
    name: str | None = None

    @property
    def year(self) -> int:
        """Year of the season."""
        return self.season.end.year

    @property
    def is_transferred(self) -> bool:
        """Whether no sample is of this season."""
        return self.year not in self.model.years

    @cached_property
    def accuracy(self) -> Accuracy:
        """The accuracy that the map is published with.

        For a season without samples that of seasons held out in turn, where there
        are several.

        Raises
        ------
        AccuracyMissing, AccuracyInvalid
        """
        known = self.model.accuracy
        own = known.get("blocks")
        if self.is_transferred:
            own = known.get("years", own)
        return required_accuracy(own if self.told is None else self.told)

    @property
    def product_id(self) -> str:
        """Name of the product."""
        if self.name is not None:
            return self.name
        resolution = self.season.resolution
        parts = (
            "crops",
            self.season.place.key,
            str(self.year),
            self.season.scenes[0],
            f"{resolution:g}m" if resolution else None,
        )
        return "-".join(part for part in parts if part)

    @cached_property
    def recipe(self) -> Recipe:
        """What the map is made from: the season's scenes and the model."""
        season = self.season.recipe
        return Recipe(
            kind=KIND,
            inputs={**season.inputs, "model": model_id(self.model)},
            parameters={
                **season.parameters,
                "model": model_id(self.model),
                "plan": self.model.plan.described(),
            },
            simulated=season.simulated or self.model.simulated,
            model_version=MODEL_VERSION,
        )

    def dataset(self) -> xr.Dataset:
        """Lay out the map, lazy.

        Raises
        ------
        SettingInvalid
            The name cannot be a product's.
        NoScenesThere, ingest.IngestError, raster.RasterError
            As of `SeasonRequest.dataset`.
        AccuracyMissing, AccuracyInvalid
            Found now, not after hours of work.
        """
        check_product_id(self.product_id)
        required_accuracy(self.accuracy)
        lazy = crop_map(self.season.dataset(), self.model)
        return lazy.assign_attrs(run=self.recipe.run_id)

    def warnings(self, outside: float) -> tuple[Warned, ...]:
        """Return what a reader has to know; `outside` is a share of the pixels."""
        return tuple(
            warned
            for warned in (
                self._other_season(),
                _far(outside) if outside > _FAR else None,
                *map(_left_out, self.model.left_out.values(), self.model.left_out),
            )
            if warned is not None
        )

    def _other_season(self) -> Warned | None:
        if not self.is_transferred or self.told is not None:
            return None
        years = ", ".join(map(str, self.model.years))
        if "years" in self.model.accuracy:
            return Warned(
                f"no sample is of {self.year}: the accuracy is that of seasons held "
                f"out in turn among {years}",
                f"{self.year} 年没有样本，精度为 {years} 年逐年留出的结果",
            )
        return Warned(
            f"no sample is of {self.year}, and the accuracy is that of {years}: how "
            "the model carries over to other seasons is not known",
            f"{self.year} 年没有样本，精度来自 {years} 年，跨年表现未知",
        )


def season_options(model: CropMapModel, *, block: int | None = None) -> dict[str, Any]:
    """Return the options of the season that a model needs."""
    plan = model.plan
    options: dict[str, Any] = {
        "variables": plan.variables,
        "step": plan.step,
        "index": plan.index,
    }
    return options if block is None else {**options, "chunk": block}


def published_crop_map(request: CropMapRequest) -> pystac.Item | None:
    """Return the very map that is asked for, if the archive has it already."""
    try:
        item = request.season.archive.item(PRODUCTS, request.product_id)
    except (ItemUnknown, ItemInvalid):
        return None
    same = item.properties.get("heitu:run") == request.recipe.run_id
    told = item.properties.get("heitu:accuracy")
    return item if same and told == request.accuracy.described() else None


def make_crop_map(
    request: CropMapRequest,
    lazy: xr.Dataset,
    folder: Path,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> pystac.Item:
    """Compute a map and publish it in the archive.

    Parameters
    ----------
    request, lazy
        What map, and its `dataset`.
    folder
        Where the map grows until it is whole; an interrupted one goes on there.
    progress
        Called with (blocks done, blocks in all).

    Returns
    -------
    pystac.Item
        As the archive has it.

    Raises
    ------
    AccuracyMissing, AccuracyInvalid
        It has no accuracy; nothing is computed.
    raster.RasterError
        As of `raster.product.write_season`; NoClearPixel where no pixel was seen
        often enough for a class.
    ingest.IngestError
        The archive cannot take it; the map stays in `folder`.
    """
    accuracy = request.accuracy
    recipe = request.recipe
    working = write_season(
        lazy,
        folder,
        product_id=request.product_id,
        # The files carry these as tags, wherever they are copied to.
        properties={
            "heitu:year": request.year,
            "heitu:run": recipe.run_id,
            "heitu:simulated": recipe.simulated,
        },
        progress=progress,
    )
    item = _publish(request, working, accuracy)
    # Only now: a map that the archive refused is not computed again.
    remove(folder / request.product_id)
    return item


def _publish(
    request: CropMapRequest, working: pystac.Item, accuracy: Accuracy
) -> pystac.Item:
    archive: Archive = request.season.archive
    outside = _share_outside(Path(working.assets["extrapolation"].href))
    warnings = request.warnings(outside)
    geobox = request.season.geobox
    item = archive.add_files(
        collection=PRODUCTS,
        item_id=request.product_id,
        acquired=None,
        geobox=geobox,
        files={_ASSETS[name]: _file(working, name, geobox) for name in LAYERS},
        properties={
            **_properties(request, accuracy, warnings),
            "heitu:lineage": working.properties.get("heitu:lineage", {}),
            "heitu:extrapolation": {
                "method": "dissimilarity index, area of applicability "
                "(Meyer & Pebesma 2021, doi 10.1111/2041-210X.13650)",
                "pixels_outside": round(outside, 4),
                "season_without_samples": request.is_transferred,
            },
        },
        replace=True,
        interval=_interval(working),
    )
    archive.refresh_links()
    return item


def _properties(
    request: CropMapRequest, accuracy: Accuracy, warnings: tuple[Warned, ...]
) -> dict[str, Any]:
    place, model, recipe = request.season.place, request.model, request.recipe
    return {
        "title": f"Crops of {place.name_en} {request.year}",
        "heitu:title_zh": f"{request.year} 年{place.name_zh}作物分布",
        "heitu:kind": KIND,
        "heitu:year": request.year,
        "heitu:place": place.key,
        "heitu:collection": request.season.scenes[0],
        "heitu:run": recipe.run_id,
        "heitu:inputs": dict(recipe.inputs),
        "heitu:parameters": json.loads(json.dumps(dict(recipe.parameters))),
        "heitu:code_version": code_version(),
        "heitu:simulated": recipe.simulated,
        "heitu:unit": "class",
        "heitu:classes": [
            {
                "value": one.code,
                "name": one.name,
                "name_en": one.name_en,
                "name_zh": one.name_zh,
                "colour": one.colour,
            }
            for one in CLASSES
            if one.name not in model.left_out
        ],
        "heitu:model": {
            "id": recipe.inputs["model"],
            "version": MODEL_VERSION,
            "method": model.method,
            "years": list(model.years),
            "left_out": dict(model.left_out),
        },
        "heitu:accuracy": accuracy.described(),
        "heitu:warnings": [{"en": one.english, "zh": one.chinese} for one in warnings],
    }


def _file(working: pystac.Item, name: str, geobox: GeoBox) -> BandFile:
    return BandFile(Path(working.assets[name].href), geobox, "uint8", nodata=NODATA)


def _interval(working: pystac.Item) -> tuple[datetime, datetime]:
    said = working.properties
    first, last = (
        datetime.fromisoformat(said[name])
        for name in ("start_datetime", "end_datetime")
    )
    return first, last


def _share_outside(path: Path) -> float:
    """Share of the classified pixels outside the area of applicability."""
    outside = known = 0
    with open_raster(str(path)) as source:
        for _, window in source.block_windows(1):
            cells = source.read(1, window=window)
            known += int(np.count_nonzero(cells != NODATA))
            outside += int(np.count_nonzero((cells > 100) & (cells != NODATA)))
    return outside / known if known else 1.0


def _far(outside: float) -> Warned:
    percent = f"{100 * outside:.0f} %"
    return Warned(
        f"{percent} of the pixels are unlike any sample: there the map extrapolates, "
        "and its accuracy does not hold",
        f"{percent} 的像元与所有样本都不相似，属外推，精度评价对其不适用",
    )


def _left_out(problem: str, name: str) -> Warned:
    english, chinese = problem.split(" · ")
    title = next(one for one in CLASSES if one.name == name)
    return Warned(
        f"{title.name_en} is not in the map: {english}",
        f"图中没有{title.name_zh}：{chinese}",
    )
