"""Finished files on their way into an archive, and items on their way out."""

import os
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
import shapely
from odc.geo.geobox import GeoBox
from rasterio.transform import from_origin

from ingest.archive import Archive
from ingest.band import BandFile
from ingest.errors import (
    BandInvalid,
    ItemInvalid,
    ItemUnknown,
    PropertyInvalid,
    SceneExists,
)
from tests.ingest.builders import (
    NOON,
    add,
    files_in,
    gradient,
    opened,
    red_file,
    utm_grid,
)
from tests.ingest.wording import english

SPAN = datetime(2025, 6, 26, tzinfo=UTC), datetime(2025, 7, 11, 23, 59, 59, tzinfo=UTC)


@pytest.fixture(params=["folder", "objects"])
def archive(request: pytest.FixtureRequest) -> Archive:
    """Archive in a folder, and the same on object storage."""
    if request.param == "folder":
        return Archive(request.getfixturevalue("tmp_path") / "archive")
    return Archive(f"{request.getfixturevalue('bucket')}/archive")


def _take(
    archive: Archive,
    *files: BandFile,
    acquired: datetime | None = NOON,
    footprint: shapely.Geometry | None = None,
    interval: tuple[datetime, datetime] | None = None,
    replace: bool = False,
) -> None:
    archive.add_files(
        collection="scenes",
        item_id="one",
        acquired=acquired,
        geobox=utm_grid(),
        files={file.path.stem: file for file in files},
        properties={"heitu:simulated": True},
        footprint=footprint,
        interval=interval,
        replace=replace,
    )


def test_files_are_moved_as_they_are(archive: Archive, tmp_path: Path) -> None:
    file = red_file(tmp_path / "work")
    before = file.path.read_bytes()
    _take(archive, file)
    archive.refresh_links()
    assert files_in(tmp_path / "work") == []
    item = archive.item("scenes", "one")
    assert item.assets["B04"].extra_fields["file:size"] == len(before)
    with opened(item.assets["B04"].href) as dataset:
        np.testing.assert_array_equal(dataset.read(1), gradient())
        assert not any(tag.startswith("HEITU_") for tag in dataset.tags())
    assert archive.verify() == []


def test_item_of_files_says_what_an_item_of_arrays_says(
    archive: Archive, tmp_path: Path
) -> None:
    _take(archive, red_file(tmp_path / "work"))
    add(archive, "two", properties={"heitu:simulated": True})
    taken, made = archive.items("scenes")
    assert taken.properties == made.properties
    assert (taken.geometry, taken.bbox) == (made.geometry, made.bbox)
    bands = taken.assets["B04"].extra_fields["raster:bands"]
    assert bands == made.assets["B04"].extra_fields["raster:bands"]


def test_source_is_kept_for_a_repair(archive: Archive, tmp_path: Path) -> None:
    _take(archive, red_file(tmp_path / "work"))
    asset = archive.item("scenes", "one").assets["B04"]
    assert asset.extra_fields["heitu:source"] == "https://source/B04"


def test_refused_files_stay_where_they_are(archive: Archive, tmp_path: Path) -> None:
    _take(archive, red_file(tmp_path / "first"))
    again = red_file(tmp_path / "again")
    with pytest.raises(SceneExists):
        _take(archive, again)
    assert files_in(tmp_path / "again") == ["B04.tif"]


def test_replacing_leaves_no_older_file(archive: Archive, tmp_path: Path) -> None:
    _take(archive, red_file(tmp_path / "a"), red_file(tmp_path / "a", "B08.tif"))
    _take(archive, red_file(tmp_path / "b"), replace=True)
    archive.refresh_links()
    assert set(archive.item("scenes", "one").assets) == {"B04"}
    assert archive.verify() == []


def test_file_given_from_its_own_place_survives(tmp_path: Path) -> None:
    archive = Archive(tmp_path / "archive")
    _take(archive, red_file(tmp_path / "a"), red_file(tmp_path / "a", "B05.tif"))
    own = red_file(tmp_path / "archive/scenes/one", "B05.tif")
    _take(archive, red_file(tmp_path / "b"), own, replace=True)
    archive.refresh_links()
    assert archive.verify() == []


def test_file_of_another_disk_is_copied(
    archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(source: Path, target: Path) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", refuse)
    _take(archive, red_file(tmp_path / "work"))
    archive.refresh_links()
    assert archive.verify() == []
    assert files_in(tmp_path / "work") == []


def test_grid_in_another_crs_keeps_the_files(archive: Archive, tmp_path: Path) -> None:
    file = red_file(tmp_path / "work")
    transform = from_origin(500_000, 4_800_000, 10, 10)
    other = GeoBox((40, 40), transform, "EPSG:32652")
    with pytest.raises(BandInvalid, match="EPSG:32652"):
        _take(archive, BandFile(file.path, other, "uint16", 0))
    assert file.path.exists()
    assert archive.items("scenes") == []


def test_composite_has_a_range_of_time(archive: Archive, tmp_path: Path) -> None:
    _take(archive, red_file(tmp_path / "work"), acquired=None, interval=SPAN)
    item = archive.item("scenes", "one")
    assert item.properties["datetime"] is None
    assert item.properties["start_datetime"] == "2025-06-26T00:00:00Z"
    assert item.properties["end_datetime"] == "2025-07-11T23:59:59Z"


@pytest.mark.parametrize(
    ("interval", "words"),
    [(None, "no time"), (SPAN[::-1], "before it starts")],
)
def test_time_that_is_none(
    archive: Archive,
    tmp_path: Path,
    interval: tuple[datetime, datetime] | None,
    words: str,
) -> None:
    file = red_file(tmp_path / "work")
    with pytest.raises(PropertyInvalid, match=words) as caught:
        _take(archive, file, acquired=None, interval=interval)
    english(str(caught.value))
    assert file.path.exists()


def test_footprint_is_cut_to_the_grid(archive: Archive, tmp_path: Path) -> None:
    # The grid reaches from 123.0 to 123.00494 E, 43.34925 to 43.35285 N.
    west = shapely.box(122.0, 43.0, 123.002, 44.0)
    _take(archive, red_file(tmp_path / "work"), footprint=west)
    item = archive.item("scenes", "one")
    assert item.bbox == pytest.approx([123.0, 43.34925, 123.002, 43.35285], abs=1e-5)
    geometry = shapely.geometry.shape(item.geometry)
    assert geometry.bounds == pytest.approx(item.bbox)
    assert geometry.exterior.is_ccw


def test_footprint_in_two_pieces(archive: Archive, tmp_path: Path) -> None:
    pieces = shapely.union_all(
        [shapely.box(122, 43, 123.001, 44), shapely.box(123.003, 43, 124, 44)]
    )
    _take(archive, red_file(tmp_path / "work"), footprint=pieces)
    geometry = shapely.geometry.shape(archive.item("scenes", "one").geometry)
    assert geometry.geom_type == "MultiPolygon"
    assert len(geometry.geoms) == 2


def test_footprint_off_the_grid_is_refused(archive: Archive, tmp_path: Path) -> None:
    with pytest.raises(PropertyInvalid, match="is not on its grid") as caught:
        _take(
            archive,
            red_file(tmp_path / "work"),
            footprint=shapely.box(10, 10, 11, 11),
        )
    english(str(caught.value))
    assert not archive.has("scenes", "one")


def test_removed_item_is_gone_with_its_files(archive: Archive, tmp_path: Path) -> None:
    _take(archive, red_file(tmp_path / "work"))
    add(archive, "two")
    archive.remove("scenes", "one")
    archive.refresh_links()
    assert [item.id for item in archive.items("scenes")] == ["two"]
    assert archive.verify() == []
    with pytest.raises(ItemUnknown):
        archive.remove("scenes", "one")


def test_collection_without_items_is_forgotten(archive: Archive) -> None:
    add(archive)
    archive.refresh_links()
    archive.remove("scenes", "one")
    archive.refresh_links()
    assert archive.collections() == []
    assert archive.verify() == []


def test_versions_change_with_every_change(archive: Archive) -> None:
    add(archive, "one")
    first = archive.versions("scenes")
    assert archive.versions("scenes") == first
    add(archive, "two")
    second = archive.versions("scenes")
    add(archive, "one", properties={"heitu:simulated": False}, replace=True)
    third = archive.versions("scenes")
    archive.remove("scenes", "two")
    assert len({first, second, third, archive.versions("scenes")}) == 4


def test_broken_item_is_named_and_the_others_come(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    add(archive, "one")
    add(archive, "two")
    path = tmp_path / "scenes/one/one.json"
    path.write_text("{half")
    broken: list[ItemInvalid] = []
    found = archive.items("scenes", on_invalid=broken.append)
    assert [item.id for item in found] == ["two"]
    assert [error.href for error in broken] == [str(path)]
