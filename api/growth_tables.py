"""Growth of counties and fields as tables: on the screen and as CSV."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import shapely
from rich.table import Table
from shapely.geometry.base import BaseGeometry

from api.growth_product import GrowthProduct
from api.growth_share import CropShare
from api.place import Place
from ingest.boundaries import jilin_counties
from ingest.county_names import COUNTY_NAMES
from models.growth import growth_table
from store import Store, fields

__all__ = [
    "Zones",
    "counties_in",
    "fields_in",
    "province",
    "screen_table",
    "table_path",
    "write_table",
    "zone_of",
    "zone_table",
]

PROVINCE = "jilin"

# A sliver of a neighbour is no county that was asked for.
_PART = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Zones:
    """Places to tell the growth of, each with its label and names."""

    labels: tuple[str, ...]
    names_en: tuple[str, ...]
    names_zh: tuple[str, ...]
    geometries: tuple[BaseGeometry, ...]


def province() -> Place:
    """Return the whole province as a place."""
    outlines = [county.geometry for county in jilin_counties()]
    return Place(PROVINCE, "Jilin Province", "吉林省", shapely.union_all(outlines))


def counties_in(place: Place) -> Zones:
    """Return the counties of which a place holds a part worth a row."""
    if place.key in COUNTY_NAMES:
        return zone_of(place)
    if place.key == PROVINCE:
        wanted = jilin_counties()
    else:
        wanted = [
            county
            for county in jilin_counties()
            if county.geometry.intersection(place.geometry).area
            > _PART * county.geometry.area
        ]
    return Zones(
        labels=tuple(county.code for county in wanted),
        names_en=tuple(county.name_en for county in wanted),
        names_zh=tuple(county.name_zh for county in wanted),
        geometries=tuple(county.geometry for county in wanted),
    )


def zone_of(place: Place) -> Zones:
    """Return a place as the only zone."""
    return Zones(
        labels=(place.key,),
        names_en=(place.name_en,),
        names_zh=(place.name_zh,),
        geometries=(place.geometry,),
    )


def fields_in(store: Store, place: Place, *, crop: str | None, year: int) -> Zones:
    """Return the stored fields of a year that touch a place, of one crop or all."""
    with store.connection() as conn:
        found = fields.find(conn, year=year)
    wanted = [
        field
        for field in found
        if crop in {None, field.crop} and field.geometry.intersects(place.geometry)
    ]
    return Zones(
        labels=tuple(field.field_id for field in wanted),
        names_en=tuple(field.name_en for field in wanted),
        names_zh=tuple(field.name_zh for field in wanted),
        geometries=tuple(field.geometry for field in wanted),
    )


def zone_table(
    product: GrowthProduct, zones: Zones, *, share: CropShare | None, crop: str = "all"
) -> pd.DataFrame:
    """Tell the growth of zones: `models.growth.growth_table` with names and date.

    `crop_map` is the crop map that weighs the pixels, empty where all land counts;
    `simulated` holds where scenes or crop map are.
    """
    labels: Sequence[Hashable] = zones.labels
    found = product.zones(
        zones.geometries, labels, share=None if share is None else share.share
    )
    request = product.request
    table = growth_table(found, request.grading, absent=request.absent)
    if table.empty:
        return table
    table.insert(1, "name_en", zones.names_en)
    table.insert(2, "name_zh", zones.names_zh)
    dekad = request.dekad
    return table.assign(
        dekad_start=dekad.start.isoformat(),
        dekad_end=dekad.end.isoformat(),
        index=request.index,
        crop=crop,
        crop_map="" if share is None else share.item.id,
        basis=request.grading.basis,
        limits=" ".join(f"{cut:g}" for cut in request.grading.cuts),
        run=request.recipe.run_id,
        simulated=request.recipe.simulated or (share is not None and share.simulated),
    )


def table_path(product: GrowthProduct, name: str) -> Path:
    """Return where a table of a product lies: beside its folder.

    Not in it: its files are listed with their checksums.
    """
    return product.folder.with_name(f"{product.folder.name}-{name}.csv")


def write_table(table: pd.DataFrame, path: Path) -> Path:
    """Write a table for a spreadsheet: UTF-8 with a byte-order mark."""
    partial = path.with_suffix(".part")
    table.round(4).to_csv(partial, index=False, encoding="utf-8-sig")
    partial.replace(path)
    return path


def screen_table(table: pd.DataFrame) -> Table:
    """Lay the rows out for a person."""
    shown = Table(
        "zone 分区",
        "name 名称",
        "now 今年",
        "normal 常年",
        "diff 差值",
        "VCI %",
        "years 年数",
        "grade 长势",
        "status 状态",
    )
    for row in table.to_dict("records"):
        grade = f"{row['grade_zh']} {row['grade_en']}" if row["grade_en"] else "-"
        plain = row["status"] == "ok"
        shown.add_row(
            str(row["zone"]),
            str(row["name_zh"]),
            _number(row["value"], ".3f"),
            _number(row["normal"], ".3f"),
            _number(row["difference"], "+.3f"),
            _number(row["vci"], ".0f"),
            str(row["years"]),
            grade,
            "" if plain else f"{row['reason_zh']} · {row['reason_en']}",
        )
    return shown


def _number(value: float, form: str) -> str:
    return "-" if pd.isna(value) else format(value, form)
