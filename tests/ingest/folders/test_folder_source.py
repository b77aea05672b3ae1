"""Folders as they are: empty, mixed, linked, half of them no imagery at all."""

import logging
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from ingest.folders import FolderMissing, FolderSource
from ingest.folders.product import Product
from tests.ingest.folders.builders import offered, pixels, search, wanted
from tests.ingest.folders.landsat_builder import Landsat
from tests.ingest.folders.safe_builder import Safe, zipped
from tests.ingest.folders.test_hls import S30, granule
from tests.ingest.wording import english


def test_empty_folder(tmp_path: Path) -> None:
    found = search(tmp_path)
    assert (found.offers, found.refused, found.cloudy) == ((), (), ())


def test_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FolderMissing, match="nowhere is not there") as caught:
        FolderSource(tmp_path / "nowhere")
    assert caught.value.path == (tmp_path / "nowhere").resolve()
    english(str(caught.value))


def test_folder_that_is_gone_since(tmp_path: Path) -> None:
    folder = tmp_path / "a"
    folder.mkdir()
    source = FolderSource(folder)
    folder.rmdir()
    with pytest.raises(FolderMissing):
        source.search(wanted())


def test_folder_that_cannot_be_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "secret").mkdir()
    scandir = os.scandir

    def denied(path: str) -> object:
        if str(path).endswith("secret"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", denied)
    with pytest.raises(FolderMissing, match="secret cannot be listed"):
        FolderSource(tmp_path)


def test_other_files_are_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    Landsat().at(tmp_path)
    (tmp_path / "readme.txt").write_text("x")
    (tmp_path / "作物.xlsx").write_text("x")
    (tmp_path / ".hidden.tif").write_text("x")
    with caplog.at_level(logging.INFO, "ingest.folders"):
        assert len(search(tmp_path).offers) == 1
    assert "2 files belong to no product" in caplog.text


def test_all_kinds_together_in_order_of_time(tmp_path: Path) -> None:
    zipped(Safe(day="2026-07-09").at(tmp_path / "s2"))
    Safe().at(tmp_path / "s2")
    Landsat().at(tmp_path / "l")
    found = search(tmp_path)
    assert found.refused == ()
    assert [offer.acquired.day for offer in found.offers] == [3, 4, 9]


def test_links_are_followed_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    Landsat().at(tmp_path / "disk")
    (tmp_path / "disk" / "readme.txt").write_text("x")
    folder = tmp_path / "work"
    folder.mkdir()
    (folder / "landsat").symlink_to(tmp_path / "disk", target_is_directory=True)
    (folder / "landsat-again").symlink_to(folder, target_is_directory=True)
    with caplog.at_level(logging.INFO, "ingest.folders"):
        assert offered(folder).item_id.startswith("LC09")
    assert "1 files belong to no product" in caplog.text


def test_search_says_the_same_twice(tmp_path: Path) -> None:
    Landsat().at(tmp_path)
    Safe().at(tmp_path)
    assert search(tmp_path) == search(tmp_path)


def test_another_scene_of_the_same_id_is_refused_by_name(tmp_path: Path) -> None:
    for folder, keys in (("a", ("B04", "B8A", "Fmask")), ("b", ("B04", "B8A"))):
        granule(tmp_path / folder, S30, keys)
    band = granule(tmp_path / "b", S30, ("B04", "Fmask"))["B04"]
    with band.open("ab") as file:
        file.write(b"more")
    found = search(tmp_path)
    (offer,) = found.offers
    assert offer.bands["B04"].href == str(tmp_path / "a" / band.name)
    (refused,) = found.refused
    assert refused.item_id == S30
    said = english(refused.reason)
    assert str(band) in said
    assert str(tmp_path / "a" / band.name) in said


def test_another_time_of_the_same_id_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    granule(tmp_path, S30, ("B04", "B8A", "Fmask"))
    first = offered(tmp_path)
    second = replace(first, acquired=first.acquired + timedelta(hours=1))
    scenes = iter([first, second])
    twins = [Product(S30, frozenset(), lambda: next(scenes))] * 2
    monkeypatch.setattr(FolderSource, "_recognised", lambda *_: iter(twins))
    found = search(tmp_path)
    assert [offer.acquired for offer in found.offers] == [first.acquired]
    assert [one.item_id for one in found.refused] == [S30]


def test_copy_that_lacks_a_band_is_no_other_scene(tmp_path: Path) -> None:
    granule(tmp_path / "a", S30, ("B04", "B8A", "Fmask", "B02"))
    granule(tmp_path / "b", S30, ("B04", "B8A", "Fmask"))
    assert "B02" in offered(tmp_path).bands


def test_bands_fetched_from_threads(tmp_path: Path) -> None:
    path = zipped(Safe().at(tmp_path))
    source = FolderSource(path)
    offer = offered(path)
    with ThreadPoolExecutor(4) as pool:
        files = list(
            pool.map(
                lambda key: source.fetch(offer, key, clip=None, folder=tmp_path),
                offer.bands,
            )
        )
    for file, key in zip(files, offer.bands, strict=True):
        assert np.array_equal(pixels(file.path), pixels(offer.bands[key].href))
