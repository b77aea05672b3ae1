"""What the HTTP face answers with; the OpenAPI document is made from these models."""

from datetime import date, datetime
from typing import Annotated, Any, Literal

from geojson_pydantic import Feature, FeatureCollection, MultiPolygon, Polygon
from pydantic import BaseModel, ConfigDict, Field

from api.product_schemas import MapAccuracy, Notice, ProductClass

Crop = Literal["maize", "rice", "soybean"]
Status = Literal["forecast", "provisional", "final", "missing"]
Measure = Literal["yield", "area", "production"]
Level = Literal["county", "prefecture", "province"]


class Problem(BaseModel):
    """A problem document (RFC 9457) with the title in Chinese too."""

    type: str
    title: str
    title_zh: str
    status: int
    detail: str
    instance: str


class Row(BaseModel):
    """Base of the models that are read off the store's rows by attribute."""

    model_config = ConfigDict(from_attributes=True)


class Health(BaseModel):
    """State of the platform."""

    status: Annotated[
        Literal["ok", "degraded"], Field(description="degraded: the ingest is down")
    ]
    version: str
    database: Literal["ok"] = "ok"
    ingest: Annotated[
        Literal["ok", "down", "none"],
        Field(description="none: this process serves without sensors"),
    ]
    readings: Annotated[
        dict[str, Any], Field(description="Counters of the sensor ingest; may be empty")
    ]
    simulated: Annotated[
        bool, Field(description="True when any device or estimate is simulated")
    ]


class CountyProperties(Row):
    """Names and size of a county; `code` is GB/T 2260."""

    code: str
    name_zh: str
    name_en: str
    prefecture_zh: str
    prefecture_en: str
    area_km2: float


class CountyCollection(
    FeatureCollection[Feature[Polygon | MultiPolygon, CountyProperties]]
):
    """Counties with borders simplified for maps: neighbours still share them."""

    attribution: str


class Estimate(BaseModel):
    """An estimate; `interval` is the probability that the bounds enclose.

    A final one quotes its `source` and has no bounds. Estimates of prefectures and of
    the province have their GB/T 2260 codes, which end in 00, as `county`.
    """

    county: str
    name_zh: str
    name_en: str
    crop: Crop
    year: int
    measure: Measure
    value: float | None
    unit: str
    lower: float | None
    upper: float | None
    interval: float | None
    status: Status
    reason: str | None
    simulated: bool
    run_id: str
    as_of: Annotated[
        date | None, Field(description="Last day of the data it was made from")
    ] = None
    lead: Annotated[
        str | None, Field(description="Month of that day, or harvest from October on")
    ] = None
    lead_days: Annotated[
        int | None, Field(description="Days from that day to the end of September")
    ] = None
    trend: Annotated[
        float | None, Field(description="What the county's trend says, in `unit`")
    ] = None
    mean5: Annotated[
        float | None, Field(description="Mean of the last five years, in `unit`")
    ] = None
    rmse: Annotated[
        float | None,
        Field(description="Error of such estimates in past years, t/ha, all counties"),
    ] = None
    rmse_trend: Annotated[
        float | None, Field(description="Error of the trend in the same years")
    ] = None
    rmse_mean5: Annotated[
        float | None, Field(description="Error of the five-year mean in them")
    ] = None
    source: Annotated[
        str | None, Field(description="What a final estimate is quoted from")
    ] = None
    se: Annotated[
        float | None, Field(description="Standard error, in `unit`; null of yields")
    ] = None
    area_source: Annotated[
        Literal["survey", "statistics", "survey+statistics"] | None,
        Field(description="What the hectares of an area or a production rest on"),
    ] = None
    issued_at: datetime


class Estimates(BaseModel):
    """The estimate that counts of each region, crop, year and measure asked for."""

    estimates: list[Estimate]
    count: int


class EstimateChange(Row):
    """One reason why an issue differs from the one before."""

    kind: str
    en: str
    zh: str


class EstimateIssue(Estimate):
    """One issue of an estimate, and what it changed."""

    issue: Annotated[int, Field(description="Number of the issue, higher for later")]
    difference: Annotated[
        float | None, Field(description="From the value of the issue before, in `unit`")
    ]
    changes: list[EstimateChange]


class EstimateHistory(BaseModel):
    """Every issue of one region's estimate of a crop and year, the first one first."""

    county: str
    name_zh: str
    name_en: str
    former_codes: Annotated[
        list[str], Field(description="Codes the county had before it was renamed")
    ]
    crop: Crop
    year: int
    measure: Measure
    issues: list[EstimateIssue]
    simulated: bool


class Statistic(Row):
    """A county's yield (t/ha) and sown area (ha) of one past year."""

    county: str
    crop: Crop
    year: int
    yield_t_ha: float | None
    area_ha: float | None
    source: str
    simulated: bool


class Statistics(BaseModel):
    """County statistics."""

    statistics: list[Statistic]


class DekadScenes(BaseModel):
    """What of one dekad is there; null = not known, since nobody searched."""

    start: date
    end: date
    expected: int | None
    """Acquisitions that catalogues have, without those left out for their cloud."""
    cloudy: int | None
    """Acquisitions left out for their cloud."""
    present: int
    missing: list[str]
    clear_share: float | None
    """Share of the county seen clear at least once, 0 to 1."""
    complete: bool | None
    simulated: bool


class Completeness(BaseModel):
    """Scenes of a county, dekad by dekad, from April to October."""

    county: str
    name_zh: str
    name_en: str
    year: int
    dekads: list[DekadScenes]


class Run(Row):
    """One execution: what it read (ids and checksums), and with what it was made."""

    run_id: str
    kind: str
    inputs: dict[str, str]
    parameters: dict[str, Any]
    code_version: str
    model_version: str | None
    simulated: bool
    started_at: datetime
    finished_at: datetime | None


class Product(BaseModel):
    """A raster product; `scale` turns its stored integers into `unit`.

    Where it has `classes` its stored integers are theirs, and `range` and `colormap`
    are not used.
    """

    id: str
    kind: str
    crop: Crop | None
    year: int
    resolution_m: float
    bbox: tuple[float, float, float, float]
    unit: str
    scale: float
    range: Annotated[
        tuple[float, float], Field(description="Values at the ends of the colour map")
    ]
    colormap: str
    run_id: str
    simulated: bool
    title_zh: str
    title_en: str
    place: Annotated[
        str | None, Field(description="County or other place it was made for")
    ] = None
    period: Annotated[
        tuple[date, date] | None, Field(description="Dekad that it tells of")
    ] = None
    classes: Annotated[
        list[ProductClass], Field(description="Empty for a quantity")
    ] = []
    accuracy: Annotated[
        MapAccuracy | None, Field(description="Of a map of crops; null of others")
    ] = None
    warnings: list[Notice] = []
    tilejson: Annotated[str, Field(description="Address of the TileJSON document")]


class Products(BaseModel):
    """All products of the archive."""

    products: list[Product]


class PointValue(BaseModel):
    """A product's value at a point; None with status `no-data` where it has none."""

    value: float | None
    unit: str
    status: Literal["ok", "no-data"]
    name_en: Annotated[
        str | None, Field(description="Of the class; null of a quantity")
    ] = None
    name_zh: str | None = None


class Observation(BaseModel):
    """NDVI of one clear acquisition."""

    date: date
    ndvi: float


class SeasonCurve(BaseModel):
    """A pixel's season: dekads (旬), the single clear dates, and phenology."""

    lon: float
    lat: float
    year: int
    collection: str
    resolution_m: float
    dates: Annotated[list[date], Field(description="First day of each dekad")]
    centres: Annotated[
        list[date],
        Field(description="Middle day of each dekad, where its values belong"),
    ]
    ndvi: Annotated[list[float | None], Field(description="Median of the clear dates")]
    clear_count: list[int]
    ndvi_smooth: list[float | None]
    observations: list[Observation]
    sos: Annotated[date | None, Field(description="Start of season")]
    pos: Annotated[date | None, Field(description="Peak of season")]
    eos: Annotated[date | None, Field(description="End of season")]
    peak: Annotated[float | None, Field(description="NDVI at the peak")]
    integral: Annotated[
        float | None, Field(description="NDVI times days from start to end")
    ]
    status: Literal["ok", "no-clear-observation"]
    simulated: bool


class FieldProperties(Row):
    """A field of one crop and year."""

    field_id: str
    county: str
    name_zh: str
    name_en: str
    crop: Crop
    year: int
    area_ha: float
    simulated: bool


class FieldCollection(FeatureCollection[Feature[Polygon, FieldProperties]]):
    """Fields."""


class Reading(Row):
    """A value of one stream; `thing` is what is measured.

    `position` tells several sensors of one quantity apart: a depth, a node; empty for
    a single one. `flag` is QARTOD: 1 good, 2 not evaluated, 3 suspect, 4 fail, 9
    missing.
    """

    quantity: str
    unit: str
    thing: str
    position: str
    value: float
    time: datetime
    flag: Literal[1, 2, 3, 4, 9]


class Readings(BaseModel):
    """Readings of a device in time order; `truncated` when the limit cut them."""

    device: str
    readings: list[Reading]
    truncated: bool
    simulated: bool
