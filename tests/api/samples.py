"""A platform small enough to know every number in it."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta

import numpy as np
import shapely
from affine import Affine
from odc.geo.geobox import GeoBox
from pyproj import Transformer

from ingest.archive import Archive, BandData
from store import (
    Store,
    counties,
    devices,
    estimates,
    fields,
    readings,
    runs,
    statistics,
)
from store.counties import County

FINE = GeoBox((64, 64), Affine(10, 0, 605_000, 0, -10, 4_795_640), "EPSG:32651")
COARSE = GeoBox((20, 20), Affine(250, 0, 603_000, 0, -250, 4_798_000), "EPSG:32651")

# Red reflectance is 0.05 (DN 1500) everywhere, so that near infrared alone sets NDVI.
RED_DN = 1500
NIR_DN = {0.2: 1750, 0.6: 3000, 0.8: 5500}

FINE_2026 = {
    date(2026, 5, 5): 0.2,
    date(2026, 6, 5): 0.6,
    date(2026, 7, 15): 0.8,
    date(2026, 8, 5): 0.8,
    date(2026, 9, 5): 0.6,
    date(2026, 10, 5): 0.2,
}
COARSE_YEARS = {date(2025, 7, 15): 0.6, date(2026, 7, 15): 0.6}

CLOUDED = (0, 0)
"""Row and column of the fine pixel that is never clear."""

CLEAR = (32, 40)
ONLY_COARSE = (2, 2)
"""Row and column of a coarse pixel outside the fine grid."""

RUN_ID = "0123456789abcdef"
ISSUED = datetime(2026, 9, 1, tzinfo=UTC)
NOW = datetime.now(UTC).replace(microsecond=0)


def lonlat(grid: GeoBox, pixel: tuple[int, int]) -> dict[str, float]:
    """Return the centre of a pixel (row, column) as request parameters, degrees."""
    row, column = pixel
    x, y = grid.affine @ (column + 0.5, row + 0.5)
    to_lonlat = Transformer.from_crs("EPSG:32651", "EPSG:4326", always_xy=True)
    lon, lat = to_lonlat.transform(x, y)
    return {"lon": lon, "lat": lat}


def add_scenes(
    archive: Archive, collection: str, grid: GeoBox, ndvi: Mapping[date, float]
) -> None:
    scl = np.full(grid.shape, 4, np.uint8)
    scl[CLOUDED] = 9
    for day, value in ndvi.items():
        red = np.full(grid.shape, RED_DN, np.uint16)
        nir = np.full(grid.shape, NIR_DN[value], np.uint16)
        archive.add_scene(
            collection=collection,
            item_id=f"{collection}-{day:%Y%m%d}",
            acquired=datetime(day.year, day.month, day.day, 2, 40, tzinfo=UTC),
            geobox=grid,
            bands={
                "B04": BandData(red, grid, nodata=0, scale=0.0001, offset=-0.1),
                "B08": BandData(nir, grid, nodata=0, scale=0.0001, offset=-0.1),
                "SCL": BandData(scl, grid, nodata=0),
            },
            properties={"eo:cloud_cover": 0.0, "heitu:simulated": True},
        )


def add_yield_map(
    archive: Archive, *, run_id: str = RUN_ID, **properties: object
) -> None:
    """West half 4 t/ha, east half 12 t/ha: both ends of the colour map."""
    pixels = np.full(FINE.shape, 4_000, np.uint16)
    pixels[:, 32:] = 12_000
    pixels[CLOUDED] = 65_535
    archive.add_product(
        product_id="maize-2026-10m",
        kind="yield-map",
        geobox=FINE,
        asset=BandData(pixels, FINE, nodata=65_535, scale=0.001, offset=0.0),
        properties={
            "title": "Maize yield 2026, 10m",
            "heitu:title_zh": "2026 年玉米单产（10m）",
            "heitu:crop": "maize",
            "heitu:year": 2026,
            "heitu:run": run_id,
            "heitu:simulated": True,
            "heitu:unit": "t/ha",
            "heitu:range": [4.0, 12.0],
            "heitu:colormap": "ylgn",
            **properties,
        },
    )


def add_crop_shares(archive: Archive) -> None:
    """A product for models: three bands and no colour map."""
    percent = np.zeros((3, *FINE.shape), np.uint8)
    archive.add_product(
        product_id="crop-map-10m",
        kind="crop-map",
        geobox=FINE,
        asset=BandData(percent, FINE, nodata=255),
        properties={
            "title": "Crop shares",
            "heitu:year": 2026,
            "heitu:run": RUN_ID,
            "heitu:simulated": True,
        },
    )


# The border that both counties share, with a vertex that simplification drops.
BORDER = [(124.4, 43.2), (124.40001, 43.3), (124.4, 43.4)]


def two_counties() -> list[County]:
    west = shapely.Polygon([(124.2, 43.4), (124.2, 43.2), *BORDER])
    east = shapely.Polygon([(124.6, 43.2), (124.6, 43.4), *reversed(BORDER)])
    return [
        _county("220322", "梨树县", "Lishu", west),
        _county("220323", "伊通满族自治县", "Yitong", east),
    ]


def _county(code: str, name_zh: str, name_en: str, shape: shapely.Polygon) -> County:
    return County(
        code=code,
        name_zh=name_zh,
        name_en=name_en,
        prefecture_zh="四平市",
        prefecture_en="Siping",
        geometry=shapely.MultiPolygon([shape]),
        area_km2=360.0,
    )


def a_run() -> runs.Run:
    return runs.Run(
        run_id=RUN_ID,
        kind="county-yield",
        inputs={"sim-s2-10m-20260715": "1220aa"},
        parameters={"seed": 1},
        code_version="0.1.0",
        model_version="county-yield-1",
        simulated=True,
        started_at=ISSUED,
        finished_at=ISSUED + timedelta(seconds=9),
    )


def an_estimate(county: str, crop: str, value: float | None) -> estimates.Estimate:
    return estimates.Estimate(
        county=county,
        crop=crop,
        year=2026,
        measure="yield",
        value=value,
        unit="t/ha",
        lower=None if value is None else value - 1,
        upper=None if value is None else value + 1,
        interval=0.8,
        status="missing" if value is None else "forecast",
        reason="no clear observation" if value is None else None,
        simulated=True,
        run_id=RUN_ID,
        issued_at=ISSUED,
    )


def a_field() -> fields.Field:
    return fields.Field(
        field_id="F001",
        county="220322",
        name_zh="一号地",
        name_en="Field 1",
        crop="maize",
        year=2026,
        geometry=shapely.box(124.30, 43.30, 124.31, 43.31),
        area_ha=90.0,
        simulated=True,
    )


def fill(store: Store) -> None:
    """Put two counties, three estimates, one field and one device with readings."""
    with store.connection() as conn:
        counties.replace(conn, two_counties())
        runs.save(conn, a_run())
        estimates.add(
            conn,
            [
                an_estimate("220322", "maize", 10.25),
                an_estimate("220322", "rice", 8.5),
                an_estimate("220323", "maize", None),
            ],
        )
        statistics.put(
            conn,
            [
                statistics.CountyStatistic(
                    county="220322",
                    crop="maize",
                    year=2025,
                    yield_t_ha=9.75,
                    area_ha=120_000.0,
                    source="simulated yearbook",
                    simulated=True,
                )
            ],
        )
        fields.put(conn, [a_field()])
    add_station(store)


def add_station(store: Store) -> None:
    """Put a weather station with three hourly temperatures, the newest an hour old."""
    with store.connection() as conn:
        devices.add(
            conn,
            devices.Device(
                device_id="ws-01",
                farm="lishu",
                name_zh="一号气象站",
                name_en="Weather station 1",
                kind="weather-station",
                lon=124.3,
                lat=43.3,
                county="220322",
                simulated=True,
                created_at=ISSUED,
            ),
            [devices.StreamSpec("air_temperature", "Cel", "farm")],
        )
        (stream,) = devices.streams(conn, "ws-01")
        rows = [
            readings.ReadingRow(
                stream_id=stream.stream_id,
                time=NOW - timedelta(hours=hours),
                value=value,
                flag=1,
                received_at=NOW,
            )
            for hours, value in ((30, 1.5), (2, 2.5), (1, 3.5))
        ]
        readings.write(conn, rows)
