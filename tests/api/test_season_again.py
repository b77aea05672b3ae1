"""`heitu season` on what is there already: finished products and damaged scenes."""

import json
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from api.catalogue import Catalogue
from api.ground import Ground
from api.season_point import season_at
from api.seasons import YearSeason
from ingest.archive import Archive
from raster.errors import SceneUnreadable
from tests.api import samples
from tests.api.season_cases import BOX, add_july_scene, made, run, series
from tests.raster.scenes import flip_one_bit

ASKED = (*BOX, "--year", "2026", "--variables", "ndvi,clear_count,peak")
SAID = "this very product is there"

# Noise, which zstd stores as it is: a changed byte is a changed pixel, and no error.
NOISE = np.random.default_rng(1).integers(1500, 65535, samples.FINE.shape)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data folder of three scenes that a test may damage."""
    archive = Archive(tmp_path / "archive")
    samples.add_scenes(
        archive,
        "fine",
        samples.FINE,
        {day: samples.FINE_2026[day] for day in [*samples.FINE_2026][1:5]},
    )
    return tmp_path


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HEITU_DASK", raising=False)


def lose_scenes(data: Path) -> None:
    """Remove all pixels of the archive: whatever reads one fails."""
    for path in (data / "archive").rglob("*.tif"):
        path.unlink()


def test_a_finished_product_is_not_computed_again(data: Path) -> None:
    first = run(data, *ASKED)
    made(first)
    lose_scenes(data)

    again = run(data, *ASKED)

    assert again.exit_code == 0, again.output
    assert again.stdout == first.stdout
    assert SAID in again.stderr
    assert SAID not in first.stderr


@pytest.mark.parametrize("name", ["peak.tif", "season.zarr/ndvi/zarr.json"])
@pytest.mark.parametrize("gone", [False, True])
def test_a_damaged_product_is_made_anew(data: Path, name: str, *, gone: bool) -> None:
    folder, _ = made(run(data, *ASKED))
    path = folder / name
    whole = path.read_bytes()
    path.unlink() if gone else path.write_bytes(whole[:-1] + b"?")

    again = run(data, *ASKED)

    made(again)
    assert SAID not in again.stderr
    assert path.read_bytes() == whole


def test_a_product_whose_item_is_damaged_is_made_anew(data: Path) -> None:
    folder, _ = made(run(data, *ASKED))
    path = folder / f"{folder.name}.json"
    path.write_text(path.read_text()[:-9])

    again = run(data, *ASKED)

    made(again)
    assert SAID not in again.stderr


def test_more_scenes_make_the_product_anew(data: Path) -> None:
    folder, first = made(run(data, *ASKED))
    add_july_scene(Archive(data / "archive"), samples.FINE, "one-more", nir=3000)

    again = run(data, *ASKED)

    place, second = made(again)
    assert place == folder
    assert SAID not in again.stderr
    assert first.properties["heitu:run"] != second.properties["heitu:run"]


def test_what_was_not_verified_does_not_serve_who_asks_for_it(data: Path) -> None:
    folder, trusted = made(run(data, *ASKED, "--no-verify"))
    before = series(folder)

    again = run(data, *ASKED)

    _, looked = made(again)
    assert SAID not in again.stderr
    assert trusted.properties["heitu:verified"] is False
    assert "heitu:verified" not in looked.properties
    xr.testing.assert_equal(series(folder), before)
    # The other way round it does.
    assert SAID in run(data, *ASKED, "--no-verify").stderr


def test_a_flipped_bit_in_a_scene_is_found(tmp_path: Path) -> None:
    archive = Archive(tmp_path / "archive")
    add_july_scene(archive, samples.FINE, "one", nir=NOISE)
    asked = (*BOX, "--year", "2026", "--variables", "ndvi")
    folder, _ = made(run(tmp_path, *asked, "--out", str(tmp_path / "right")))
    path = tmp_path / "archive" / "fine" / "one" / "B08.tif"
    flip_one_bit(path)

    found = run(tmp_path, *asked, "--out", str(tmp_path / "verified"))
    trusted = run(tmp_path, *asked, "--out", str(tmp_path / "wrong"), "--no-verify")

    assert isinstance(found.exception, SceneUnreadable)
    assert found.exception.item_id == "one"
    assert found.exception.href == str(path)
    assert "`heitu archive verify --repair`" in str(found.exception)
    # Trusted, the same bytes are another season.
    wrong, _ = made(trusted)
    assert not series(wrong).ndvi.equals(series(folder).ndvi)


@pytest.fixture
def other_checksum(data: Path) -> Archive:
    """An archive in which one scene's mask is not that of its item."""
    path = data / "archive" / "fine" / "fine-20260715" / "fine-20260715.json"
    content = json.loads(path.read_text())
    content["assets"]["SCL"]["file:checksum"] = "1220" + 64 * "0"
    path.write_text(json.dumps(content))
    return Archive(data / "archive")


def test_county_features_are_made_of_verified_scenes(other_checksum: Archive) -> None:
    (crop_map, *_) = other_checksum.items("fine")
    ground = Ground(geobox=samples.FINE, crop_map=crop_map, counties=())
    year = YearSeason(
        archive=other_checksum, ground=ground, collection="fine", year=2026
    )

    with pytest.raises(SceneUnreadable, match=r"fine-20260715/SCL\.tif"):
        year.metrics  # noqa: B018


def test_the_season_of_a_point_does_not_wait_for_checksums(
    other_checksum: Archive,
) -> None:
    point = samples.lonlat(samples.FINE, samples.CLEAR)

    found = season_at(Catalogue(other_checksum), **point, year=2026)

    assert found.status == "ok"
