"""`heitu yield-map`, as a user runs it: two counties side by side, and one far away."""

from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pystac
import pytest
import rasterio
import shapely
from numpy.typing import NDArray
from pyproj import Transformer
from typer.testing import CliRunner, Result

from api.cli import app
from api.yield_map_job import NoEstimates
from ingest.archive import Archive, BandData
from store import Store, counties, estimates, runs, weather
from tests.api import samples
from tests.ingest.wording import english

GRID = samples.FINE
WEST, EAST, FAR = "220322", "220323", "220381"
NODATA = 65535
LEVELS = {5: 0.2, 6: 0.5, 7: 0.8, 8: 0.8, 9: 0.5, 10: 0.2}

# A pixel's vigour, and its share of maize in per cent; the first rows have none.
VIGOUR = np.random.default_rng(5).uniform(0.7, 1.0, GRID.shape)
SHARE = np.random.default_rng(6).integers(10, 101, GRID.shape).astype(np.uint8)
SHARE[:3] = 0


def pixels(left: float, top: float, right: float, bottom: float) -> shapely.Geometry:
    """Pixels of the grid as a polygon in degrees."""
    (west, north), (east, south) = (
        GRID.affine @ (left, top),
        GRID.affine
        @ (
            right,
            bottom,
        ),
    )
    to_degrees = Transformer.from_crs("EPSG:32651", "EPSG:4326", always_xy=True)
    shape: shapely.Geometry = shapely.transform(
        shapely.box(west, south, east, north),
        to_degrees.transform,
        interleaved=False,
    )
    return shape


def add_archive(archive: Archive) -> None:
    red = np.full(GRID.shape, 1500, np.uint16)
    for month, level in LEVELS.items():
        ndvi = level * VIGOUR
        nir = np.rint(500 * (1 + ndvi) / (1 - ndvi) + 1000).astype(np.uint16)
        bands = {"B04": red, "B08": nir}
        archive.add_scene(
            collection="fine",
            item_id=f"fine-2026{month:02d}05",
            acquired=datetime(2026, month, 5, 2, 40, tzinfo=UTC),
            geobox=GRID,
            bands={
                "SCL": BandData(np.full(GRID.shape, 4, np.uint8), GRID, nodata=0),
                **{
                    key: BandData(band, GRID, nodata=0, scale=1e-4, offset=-0.1)
                    for key, band in bands.items()
                },
            },
            properties={"heitu:simulated": True},
        )
    add_crop_map(archive, "crop-map-10m", "crop-map", SHARE[None])


def add_crop_map(
    archive: Archive, name: str, kind: str, array: NDArray[np.uint8]
) -> None:
    archive.add_product(
        product_id=name,
        kind=kind,
        geobox=GRID,
        asset=BandData(array, GRID, nodata=255),
        properties={
            "title": "Crops",
            "heitu:crops": ["maize"],
            "heitu:year": 2026,
            "heitu:run": samples.RUN_ID,
            "heitu:simulated": True,
        },
    )
    archive.refresh_links()


def add_store(store: Store) -> None:
    """Three counties of 8, 6 and 7 t/ha; daily weather in the western one only."""
    one = samples.two_counties()[0]
    shapes = {
        WEST: pixels(0, 0, 32, 64),
        EAST: pixels(32, 0, 64, 64),
        FAR: shapely.box(126.0, 44.0, 126.1, 44.1),
    }
    places = [
        replace(one, code=code, geometry=shapely.MultiPolygon([shape]))
        for code, shape in shapes.items()
    ]
    days = pd.date_range("2026-05-01", "2026-09-30")
    table = pd.DataFrame({"day": days, "tmin": 15.0, "tmax": 27.0, "radiation": 18.0})
    table = table.assign(county=WEST, precipitation=2.0, simulated=True, source="test")
    values = {WEST: 8.0, EAST: 6.0, FAR: 7.0}
    with store.connection() as conn:
        counties.replace(conn, places)
        weather.put(conn, table)
        runs.save(conn, samples.a_run())
        estimates.add(
            conn,
            [samples.an_estimate(code, "maize", v) for code, v in values.items()],
        )


@pytest.fixture
def data(
    store: Store, own_archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    add_archive(own_archive)
    add_store(store)
    monkeypatch.setenv("HEITU_DATABASE_URL", store.url)
    monkeypatch.setenv("DASK_NUM_WORKERS", "1")
    return tmp_path


def run(data: Path, *arguments: object) -> Result:
    given = ["yield-map", "--year", 2026, "--data", data, *arguments]
    return CliRunner().invoke(app, [str(argument) for argument in given])


def made(result: Result, archive: Archive) -> pystac.Item:
    assert result.exception is None, result.output
    return archive.item("products", result.stdout.splitlines()[-1])


def layer(item: pystac.Item, asset: str = "data") -> NDArray[np.uint16]:
    with rasterio.open(item.assets[asset].href) as source:
        assert source.nodata == NODATA
        assert source.scales == (0.001,)
        cells: NDArray[np.uint16] = source.read(1)
        return cells


def mean(cells: NDArray[np.uint16], columns: slice) -> float:
    part, share = cells[:, columns], SHARE[:, columns].astype(float)
    known = part != NODATA
    return float(np.average(part[known] / 1000, weights=share[known]))


def test_pixels_add_up_to_each_county_and_every_county_has_a_status(
    data: Path, own_archive: Archive
) -> None:
    result = run(data, "--crop-map", "10m")
    item = made(result, own_archive)
    assert item.id == "yield-maize-2026-10m"
    cells = layer(item)
    assert mean(cells, slice(0, 32)) == pytest.approx(8.0, rel=1e-6)
    assert mean(cells, slice(32, 64)) == pytest.approx(6.0, rel=1e-6)
    assert (cells[:3] == NODATA).all()
    said = {one["code"]: one for one in item.properties["heitu:counties"]}
    assert [said[code]["status"] for code in (WEST, EAST, FAR)] == [
        "ok",
        "ok",
        "no_crop_map",
    ]
    assert said[FAR]["mean"] is None
    assert [said[code]["method"] for code in (WEST, EAST)] == ["light_use", "peak"]
    assert item.properties["heitu:simulated"] is True
    assert "没有覆盖该县的作物图" in result.stdout
    assert "simulated 模拟数据" in result.stdout
    told = [one["en"] for one in item.properties["heitu:warnings"]]
    assert any(text.startswith("light use without water") for text in told)
    assert any(text.startswith("1 counties without daily weather") for text in told)


def test_the_peak_of_a_county_without_weather_sets_its_pixels(
    data: Path, own_archive: Archive
) -> None:
    cells = layer(made(run(data, "--crop-map", "10m"), own_archive))
    east, vigour = cells[3:, 32:].astype(float), VIGOUR[3:, 32:]
    # The smoothed peak is a share of the vigour that is the same for all pixels.
    np.testing.assert_allclose(east / vigour, (east / vigour).mean(), rtol=5e-3)


def test_the_uncertainty_is_the_countys_and_said_to_be_a_lower_bound(
    data: Path, own_archive: Archive
) -> None:
    result = run(data, "--crop-map", "10m")
    item = made(result, own_archive)
    cells, sd = layer(item), layer(item, "uncertainty")
    assert ((cells == NODATA) == (sd == NODATA)).all()
    # 1 t/ha either way with 80 %: 0.7803 t/ha, of 8 t/ha in the west.
    west = cells[3:, :32].astype(float)
    np.testing.assert_allclose(sd[3:, :32], west * 0.780305 / 8, atol=1.1)
    assert item.properties["heitu:uncertainty"]["holds"] == "county_only"
    assert "is a lower bound" in result.stderr


def test_a_second_run_makes_nothing_again(data: Path, own_archive: Archive) -> None:
    first = Path(made(run(data, "--crop-map", "10m"), own_archive).assets["data"].href)
    before = first.stat().st_mtime_ns
    again = run(data, "--crop-map", "10m")
    assert first.stat().st_mtime_ns == before
    assert "分块" not in again.stderr
    assert not list((data / "yield-maps").glob("*"))


def test_a_rectangle_is_cut_from_maps_of_whole_counties(
    data: Path, own_archive: Archive
) -> None:
    whole = layer(made(run(data, "--crop-map", "10m"), own_archive))
    bounds = pixels(10, 20, 20, 40).bounds
    item = made(run(data, "--bbox", *bounds), own_archive)
    with rasterio.open(item.assets["data"].href) as source:
        column, row = ~GRID.affine @ (source.transform.c, source.transform.f)
        part = source.read(1)
    top, left = round(row), round(column)
    height, width = part.shape
    assert (18 <= top <= 20, 8 <= left <= 10) == (True, True)
    np.testing.assert_array_equal(part, whole[top : top + height, left : left + width])
    (account,) = item.properties["heitu:counties"]
    assert account["mean"] == pytest.approx(8.0, rel=1e-6)


def test_a_map_of_classes_serves_as_crop_map(data: Path, own_archive: Archive) -> None:
    classes = np.where(SHARE > 50, 1, 0).astype(np.uint8)
    add_crop_map(own_archive, "crops-220322-2026-fine", "crop-classes", classes[None])
    named = ("--crop-map", "crops-220322-2026-fine", "--name", "own")
    item = made(run(data, *named), own_archive)
    assert item.id == "yield-maize-2026-own"
    cells = layer(item)
    assert ((cells != NODATA) == (SHARE > 50)).all()
    west = cells[:, :32]
    assert west[west != NODATA].mean() / 1000 == pytest.approx(8.0, rel=1e-6)


def cuts(path: Path, yields: NDArray[np.uint16]) -> Path:
    """Twelve cuts of 10 m2 that measure 1.5 times the map less 3 t/ha, roughly."""
    places = [(row, column) for row in (10, 25, 40, 55) for column in (4, 14, 24)]
    at = [samples.lonlat(GRID, place) for place in places]
    noise = 0.02 * np.arange(12) % 0.05
    tonnes = np.array([yields[place] / 1000 * 1.5 - 3 for place in places]) + noise
    pd.DataFrame(
        {
            **{name: [each[name] for each in at] for name in ("lon", "lat")},
            "sample_id": range(12),
            "crop": "maize",
            "plot_area_m2": 10.0,
            "grain_kg": tonnes,
            "moisture": 14.0,
        }
    ).to_csv(path, index=False)
    return path


def test_crop_cuts_calibrate_the_map_and_tell_its_error(
    data: Path, own_archive: Archive
) -> None:
    plain = made(run(data, "--crop-map", "10m"), own_archive)
    path = cuts(data / "cuts.csv", layer(plain))
    result = run(data, "--crop-map", "10m", "--samples", path, "--name", "cuts")
    item = made(result, own_archive)
    assert item.properties["heitu:uncertainty"]["holds"] == "full"
    assert "calibrated by 12 fields" in result.stderr
    cells = layer(item)
    assert mean(cells, slice(0, 32)) == pytest.approx(8.0, rel=1e-6)
    # Calibrated, pixels differ half as much again as before, for their mean stays.
    spread = [each[3:, :32].std(dtype=float) for each in (layer(plain), cells)]
    assert spread[1] / spread[0] == pytest.approx(8 * 1.5 / 9, rel=0.05)


def test_a_year_without_estimates_is_a_clear_error(data: Path) -> None:
    result = run(data, "--crop", "soybean")
    assert isinstance(result.exception, NoEstimates)
    assert "heitu yields estimate --year 2026" in english(str(result.exception))


def test_the_season_so_far_is_told(
    data: Path, store: Store, own_archive: Archive
) -> None:
    with store.connection() as conn:
        conn.execute("DELETE FROM county_weather WHERE day > %s", [date(2026, 8, 1)])
    result = run(data, "--crop-map", "10m")
    assert made(result, own_archive).id
    assert "the season is not over" in result.stderr
