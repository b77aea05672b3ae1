"""The platform over an archive on object storage, against the same in a folder."""

import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from fastapi.testclient import TestClient
from typer.testing import CliRunner

from api.app import create_app
from api.cli import app
from api.ground import load_ground
from ingest.archive import Archive
from store import Store
from tests.api import samples
from tests.api.test_products import ID, tile_path
from tests.ingest.buckets import new_bucket, serving_s3


def _fill(archive: Archive) -> Archive:
    samples.add_scenes(archive, "fine", samples.FINE, samples.FINE_2026)
    samples.add_yield_map(archive)
    samples.add_crop_shares(archive)
    archive.refresh_links()
    return archive


@pytest.fixture
def objects(monkeypatch: pytest.MonkeyPatch) -> Iterator[Archive]:
    with serving_s3() as address:
        yield _fill(Archive(f"{new_bucket(address, monkeypatch)}/archive"))


def test_every_answer_is_that_of_a_folder(
    store: Store, objects: Archive, own_archive: Archive
) -> None:
    here, there = (
        TestClient(create_app(store=store, archive=archive))
        for archive in (_fill(own_archive), objects)
    )
    place = samples.lonlat(samples.FINE, samples.CLEAR)
    for path, parameters in (
        ("/products", {}),
        (f"/products/{ID}/tilejson.json", {}),
        (f"/products/{ID}/point", place),
        (tile_path(12), {}),
        ("/season", {**place, "year": 2026}),
    ):
        expected = here.get(path, params=parameters)
        answer = there.get(path, params=parameters)
        assert (expected.status_code, answer.status_code) == (200, 200), path
        assert answer.content == expected.content, path


def test_replaced_product_is_seen_at_once(store: Store, objects: Archive) -> None:
    client = TestClient(create_app(store=store, archive=objects))
    before = client.get("/products").json()["products"][0]["run_id"]
    samples.add_yield_map(objects, run_id="2" * 16)
    after = client.get("/products").json()["products"][0]["run_id"]
    assert (before, after) == (samples.RUN_ID, "2" * 16)


def test_ground_lies_on_object_storage(objects: Archive) -> None:
    ground = load_ground(objects, "10m", samples.two_counties())
    assert ground.geobox == samples.FINE
    assert np.all(ground.fractions == 0)


def test_commands_take_the_archive_of_the_setting(
    objects: Archive, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HEITU_ARCHIVE", objects.location)
    listed = CliRunner().invoke(app, ["archive", "list", "--data", str(tmp_path)])
    assert listed.exit_code == 0
    assert ID in listed.output
    verified = CliRunner().invoke(app, ["archive", "verify", "--data", str(tmp_path)])
    assert verified.exit_code == 0, verified.output


@pytest.fixture
def broken(own_archive: Archive) -> Path:
    """Item file of the first scene, no JSON any more."""
    path = Path(_fill(own_archive).items("fine")[0].get_self_href() or "")
    path.write_text("{half")
    return path


def test_broken_item_is_named_and_the_others_are_served(
    store: Store, own_archive: Archive, broken: Path, caplog: pytest.LogCaptureFixture
) -> None:
    client = TestClient(create_app(store=store, archive=own_archive))
    place = samples.lonlat(samples.FINE, samples.CLEAR)
    with caplog.at_level(logging.WARNING, logger="api.catalogue"):
        for _ in range(2):
            answer = client.get("/season", params={**place, "year": 2026})
    assert len(answer.json()["observations"]) == len(samples.FINE_2026) - 1
    assert [str(broken) in record.message for record in caplog.records] == [True]


def test_broken_item_is_named_and_the_others_are_listed(
    own_archive: Archive, broken: Path
) -> None:
    data = str(own_archive.root.parent)
    listed = CliRunner().invoke(app, ["archive", "list", "--data", data])
    assert listed.exit_code == 1
    assert ID in listed.stdout
    assert str(broken) in listed.stderr
