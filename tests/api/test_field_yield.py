"""`heitu field-yield`, as a user runs it, on a map of 4 and 12 t/ha."""

from dataclasses import replace
from pathlib import Path

import geopandas
import numpy as np
import pandas as pd
import pytest
import shapely
import typer
from pyproj import Transformer
from typer.testing import CliRunner, Result

from api.field_yield_command import field_yield
from api.field_yield_table import FieldsMissing, NoYieldMap
from ingest.archive import Archive
from store import Store, counties, fields
from tests.api import samples
from tests.ingest.wording import english

MAP = "maize-2026-10m"

app = typer.Typer()
app.command()(field_yield)


@pytest.fixture
def platform(
    store: Store, own_archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Store:
    """A store and an archive with the map, found by the settings."""
    samples.add_yield_map(own_archive, run_id="a" * 16)
    monkeypatch.setenv("HEITU_DATABASE_URL", store.url)
    monkeypatch.setenv("HEITU_DATA", str(tmp_path))
    return store


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def box(left: float, top: float, right: float, bottom: float) -> shapely.Geometry:
    """Pixels of the map, as a polygon in degrees."""
    affine = samples.FINE.affine
    west, north = affine @ (left, top)
    east, south = affine @ (right, bottom)
    to_degrees = Transformer.from_crs("EPSG:32651", "EPSG:4326", always_xy=True)
    shape: shapely.Geometry = shapely.transform(
        shapely.box(west, south, east, north),
        to_degrees.transform,
        interleaved=False,
    )
    return shape


def outlines(path: Path) -> Path:
    frame = geopandas.GeoDataFrame(
        {"id": ["west", "both"]},
        geometry=[box(4, 4, 14, 14), box(27, 20, 37, 30)],
        crs="EPSG:4326",
    )
    frame.to_file(path)
    return path


def add_estimates(store: Store, archive: Archive) -> None:
    """Put Lishu around the map, which is scaled to its 8 +/- 1 t/ha with 80 %."""
    whole = replace(
        samples.two_counties()[0],
        geometry=shapely.MultiPolygon([shapely.box(124, 43, 126, 44)]),
    )
    with store.connection() as conn:
        counties.replace(conn, [whole])
    # 1 / 1.28155
    lishu = {"code": "220322", "estimate": 8.0, "sd": 0.780305}
    samples.add_yield_map(archive, run_id="a" * 16, **{"heitu:counties": [lishu]})


def test_fields_of_a_file_have_the_mean_of_their_pixels(
    platform: Store, tmp_path: Path
) -> None:
    out = tmp_path / "fields.csv"
    result = run(MAP, "--fields", outlines(tmp_path / "f.geojson"), "--out", out)
    assert result.exit_code == 0, result.output
    assert "无法给出区间" in result.stdout
    assert "simulated 模拟数据" in result.stdout
    table = pd.read_csv(out).set_index("field")
    np.testing.assert_allclose(table["yield_t_ha"], [4.0, 8.0], rtol=1e-3)
    assert table["error"].tolist() == ["unknown", "unknown"]
    assert table["lower"].isna().all()
    assert table["simulated"].all()


def test_the_countys_interval_and_the_fields_error_make_theirs(
    platform: Store, own_archive: Archive, tmp_path: Path
) -> None:
    add_estimates(platform, own_archive)
    path, out = outlines(tmp_path / "f.geojson"), tmp_path / "fields.csv"
    alone = run(MAP, "--fields", path, "--out", out)
    assert "区间只含县级误差" in alone.stdout
    assert pd.read_csv(out)["error"].tolist() == ["county_only"] * 2
    full = run(MAP, "--fields", path, "--out", out, "--field-error", 0.5)
    assert full.exit_code == 0, full.output
    table = pd.read_csv(out).set_index("field")
    # 1 / 1.28155 of 8 t/ha is 9.75 %; of 4 t/ha, with 0.5 t/ha in quadrature.
    assert table.loc["west", "sd_t_ha"] == pytest.approx(
        np.hypot(4 * 0.0975381, 0.5), rel=1e-3
    )
    assert table["error"].tolist() == ["full", "full"]


def test_stored_fields_of_the_maps_crop_and_year_are_told(
    platform: Store, own_archive: Archive
) -> None:
    missing = run(MAP)
    assert isinstance(missing.exception, FieldsMissing)
    assert english(str(missing.exception))
    add_estimates(platform, own_archive)
    inside = replace(samples.a_field(), geometry=box(4, 4, 14, 14))
    with platform.connection() as conn:
        fields.put(conn, [inside])
    result = run(MAP)
    assert result.exit_code == 0, result.output
    assert "F001" in result.stdout
    assert "4.00" in result.stdout


def test_a_field_off_the_map_says_so(platform: Store, own_archive: Archive) -> None:
    add_estimates(platform, own_archive)
    far = replace(samples.a_field(), geometry=shapely.box(125.9, 43.9, 125.91, 43.91))
    with platform.connection() as conn:
        fields.put(conn, [far])
    assert "不在栅格范围内" in run(MAP).stdout


def test_a_product_that_is_no_yield_map_is_refused(
    platform: Store, own_archive: Archive
) -> None:
    samples.add_crop_shares(own_archive)
    result = run("crop-map-10m")
    assert isinstance(result.exception, NoYieldMap)
    assert english(str(result.exception))
