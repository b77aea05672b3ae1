"""What the HTTP face tells of growth and of the county bulletins."""

from datetime import date
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from api.bulletin.words import Language
from api.schemas import Crop

__all__ = ["Bulletin", "Bulletins", "CountyGrowth", "Growth"]


class CountyGrowth(BaseModel):
    """Growth of a crop in a county and dekad, against the same dekad of past years.

    Without a grade the status and the reason say why.
    """

    county: str
    name_zh: str
    name_en: str
    crop: Crop
    index: Annotated[str, Field(description="Vegetation index that is compared")]
    dekad_start: date
    dekad_end: date
    grade: Annotated[
        int | None, Field(description="1 much worse to 5 much better", ge=1, le=5)
    ]
    grade_en: str | None
    grade_zh: str | None
    value: Annotated[float | None, Field(description="Mean of the index this year")]
    normal: Annotated[float | None, Field(description="Mean of the past years")]
    low: float | None
    high: float | None
    difference: Annotated[float | None, Field(description="value - normal")]
    vci: Annotated[
        float | None,
        Field(description="%, beyond 0 to 100 where beyond all past years"),
    ]
    anomaly: Annotated[float | None, Field(description="Standard deviations")]
    percentile: float | None
    years: Annotated[int, Field(description="Past years compared with")]
    seen: Annotated[
        float | None, Field(description="Share of the crop with a value this year")
    ]
    shares: Annotated[
        list[float] | None, Field(description="Of the crop in grades 1 to 5")
    ]
    status: str
    reason_en: str | None
    reason_zh: str | None
    basis: Annotated[str | None, Field(description="Measure the grade is cut from")]
    limits: Annotated[
        list[float] | None, Field(description="Of the grades; chosen, of no standard")
    ]
    crop_map: Annotated[
        str | None, Field(description="Product that weighs the pixels; null: all land")
    ]
    run: str
    simulated: bool


class Growth(BaseModel):
    """Growth of counties, by county and dekad."""

    growth: list[CountyGrowth]
    count: int
    simulated: bool


class Bulletin(BaseModel):
    """A file of a county bulletin."""

    county: str
    crop: Crop
    dekad: Annotated[date, Field(description="First day of the dekad")]
    language: Language
    form: Literal["html", "pdf"]
    href: Annotated[str, Field(description="Address of the file")]


class Bulletins(BaseModel):
    """Bulletins of a county, the newest dekad first."""

    county: str
    name_zh: str
    name_en: str
    bulletins: list[Bulletin]
