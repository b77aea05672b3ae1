import json
import os
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import pystac
import pytest
import rasterio

from ingest.archive import Archive, BandData
from ingest.errors import (
    ArchiveMissing,
    BandInvalid,
    ItemInvalid,
    ItemUnknown,
    NameInvalid,
    PropertyInvalid,
    SceneExists,
)
from tests.ingest.builders import (
    NOON,
    add,
    files_in,
    gradient,
    opened,
    red_band,
    utm_grid,
)
from tests.ingest.wording import english


@pytest.fixture(params=["folder", "objects"])
def archive(request: pytest.FixtureRequest) -> Archive:
    """Archive in a folder, and the same on object storage."""
    if request.param == "folder":
        return Archive(request.getfixturevalue("tmp_path") / "archive")
    return Archive(f"{request.getfixturevalue('bucket')}/some/archive")


@pytest.fixture
def on_disk(tmp_path: Path) -> Archive:
    return Archive(tmp_path / "archive")


def _pixels(item: pystac.Item, key: str) -> np.ndarray:
    with opened(item.assets[key].href) as dataset:
        return np.asarray(dataset.read(1))


def _product(archive: Archive, *, value: int, year: object = 2025) -> pystac.Item:
    return archive.add_product(
        product_id="yield-maize-2025",
        kind="yield-map",
        geobox=utm_grid(),
        asset=BandData(np.full((40, 40), value, "int16"), utm_grid(), -1, 0.01, 0.0),
        properties={
            "heitu:year": year,
            "heitu:crop": "maize",
            "heitu:simulated": False,
        },
    )


def test_layout_on_disk(on_disk: Archive) -> None:
    add(on_disk)
    on_disk.refresh_links()
    assert files_in(on_disk.root) == [
        "catalog.json",
        "scenes",
        "scenes/collection.json",
        "scenes/one",
        "scenes/one/B04.tif",
        "scenes/one/one.json",
    ]


def test_pixels_come_back_equal(archive: Archive) -> None:
    add(archive)
    item = archive.item("scenes", "one")
    np.testing.assert_array_equal(_pixels(item, "B04"), gradient())


def test_added_item_equals_the_item_read_back(on_disk: Archive) -> None:
    added = add(on_disk)
    assert added.to_dict() == on_disk.item("scenes", "one").to_dict()


def test_hrefs_in_the_file_are_relative(on_disk: Archive) -> None:
    add(on_disk)
    text = (on_disk.root / "scenes/one/one.json").read_text()
    assert json.loads(text)["assets"]["B04"]["href"] == "./B04.tif"
    assert str(on_disk.root) not in text


def test_archive_survives_a_move(on_disk: Archive, tmp_path: Path) -> None:
    add(on_disk)
    on_disk.refresh_links()
    moved = Archive(on_disk.root.rename(tmp_path / "elsewhere"))
    assert _pixels(moved.item("scenes", "one"), "B04").shape == (40, 40)
    assert moved.verify() == []


def test_pystac_walks_the_catalogue(on_disk: Archive) -> None:
    add(on_disk, "one")
    add(on_disk, "two")
    _product(on_disk, value=1)
    on_disk.refresh_links()
    catalog = pystac.Catalog.from_file(str(on_disk.root / "catalog.json"))
    found = {item.id for item in catalog.get_items(recursive=True)}
    assert found == {"one", "two", "yield-maize-2025"}
    assert {child.id for child in catalog.get_children()} == {"products", "scenes"}


def test_collection_states_extent_and_count(on_disk: Archive) -> None:
    add(on_disk, "one", acquired=datetime(2025, 5, 2, tzinfo=UTC))
    add(on_disk, "two", acquired=datetime(2025, 9, 3, tzinfo=UTC))
    on_disk.refresh_links()
    collection = pystac.Collection.from_file(
        str(on_disk.root / "scenes/collection.json")
    )
    assert collection.extra_fields["heitu:item_count"] == 2
    assert collection.extent.temporal.intervals == [
        [datetime(2025, 5, 2, tzinfo=UTC), datetime(2025, 9, 3, tzinfo=UTC)]
    ]
    (box,) = collection.extent.spatial.bboxes
    # 400 m at 43.35 N, east of the meridian 123 E of UTM zone 51.
    assert box == pytest.approx([123.0, 43.34925, 123.00494, 43.35285], abs=1e-5)


@pytest.mark.parametrize(
    ("marks", "simulated", "summary"),
    [
        ([True, True], True, [True]),
        ([False, True], True, [False, True]),
        ([False], False, [False]),
    ],
)
def test_collection_says_whether_its_items_are_simulated(
    on_disk: Archive, marks: list[bool], simulated: bool, summary: list[bool]
) -> None:
    for number, mark in enumerate(marks):
        add(on_disk, f"item-{number}", properties={"heitu:simulated": mark})
    on_disk.refresh_links()
    path = on_disk.root / "scenes/collection.json"
    collection = pystac.Collection.from_file(str(path))
    assert collection.extra_fields["heitu:simulated"] is simulated
    assert collection.summaries.to_dict() == {"heitu:simulated": summary}


def test_collection_of_unmarked_items_summarises_nothing(on_disk: Archive) -> None:
    add(on_disk, properties={})
    on_disk.refresh_links()
    content = json.loads((on_disk.root / "scenes/collection.json").read_text())
    assert content["heitu:simulated"] is False
    assert "summaries" not in content


def _tags(path: Path) -> dict[str, str]:
    with rasterio.open(path) as dataset:
        return {k: v for k, v in dataset.tags().items() if k.startswith("HEITU_")}


def test_copied_scene_file_says_it_is_simulated(
    on_disk: Archive, tmp_path: Path
) -> None:
    item = add(
        on_disk,
        properties={
            "heitu:simulated": True,
            "heitu:run": "0a1b",
            "heitu:seed": 7,
            "heitu:score": 0.5,
            "eo:cloud_cover": 12.5,
        },
    )
    copied = shutil.copy(item.assets["B04"].href, tmp_path / "copied.tif")
    assert _tags(Path(copied)) == {
        "HEITU_SIMULATED": "true",
        "HEITU_RUN": "0a1b",
        "HEITU_SEED": "7",
    }


def test_copied_product_file_says_what_it_is(on_disk: Archive, tmp_path: Path) -> None:
    item = _product(on_disk, value=1)
    copied = shutil.copy(item.assets["data"].href, tmp_path / "copied.tif")
    assert _tags(Path(copied)) == {
        "HEITU_SIMULATED": "false",
        "HEITU_KIND": "yield-map",
        "HEITU_CROP": "maize",
        "HEITU_YEAR": "2025",
    }


def test_collections_are_sorted(archive: Archive) -> None:
    add(archive, collection="zebra")
    add(archive, collection="apple")
    assert archive.collections() == ["apple", "zebra"]


def test_items_by_time_then_id(archive: Archive) -> None:
    add(archive, "b", acquired=datetime(2025, 6, 1, tzinfo=UTC))
    add(archive, "c", acquired=datetime(2025, 5, 1, tzinfo=UTC))
    add(archive, "a", acquired=datetime(2025, 6, 1, tzinfo=UTC))
    assert [item.id for item in archive.items("scenes")] == ["c", "a", "b"]


@pytest.mark.parametrize(
    ("start", "end", "found"),
    [
        (None, None, ["may", "june", "july"]),
        (date(2025, 6, 1), date(2025, 6, 1), ["june"]),
        (date(2025, 6, 1), None, ["june", "july"]),
        (None, date(2025, 6, 1), ["may", "june"]),
        (date(2025, 6, 2), date(2025, 6, 30), []),
    ],
)
def test_days_are_inclusive(
    archive: Archive, start: date | None, end: date | None, found: list[str]
) -> None:
    for name, month in (("may", 5), ("june", 6), ("july", 7)):
        add(archive, name, acquired=datetime(2025, month, 1, 23, 59, tzinfo=UTC))
    items = archive.items("scenes", start=start, end=end)
    assert [item.id for item in items] == found


def test_days_are_utc_days(archive: Archive) -> None:
    beijing = timezone(timedelta(hours=8))
    add(archive, acquired=datetime(2025, 6, 2, 7, 0, tzinfo=beijing))
    first = date(2025, 6, 1)
    (item,) = archive.items("scenes", start=first, end=first)
    assert item.properties["datetime"] == "2025-06-01T23:00:00Z"


@pytest.mark.parametrize(
    ("bbox", "count"),
    [
        ((122.9, 43.0, 123.1, 44.0), 1),
        ((123.001, 43.350, 123.002, 43.351), 1),
        ((123.1, 43.0, 124.0, 44.0), 0),
        ((122.9, 43.4, 123.1, 44.0), 0),
    ],
)
def test_items_by_bbox(
    archive: Archive, bbox: tuple[float, float, float, float], count: int
) -> None:
    add(archive)
    assert len(archive.items("scenes", bbox=bbox)) == count


def test_unknown_collection_has_no_items(archive: Archive) -> None:
    assert archive.items("nothing") == []


def test_unknown_item_names_itself(archive: Archive) -> None:
    with pytest.raises(ItemUnknown, match="'two' in collection 'scenes'"):
        archive.item("scenes", "two")


def test_has(archive: Archive) -> None:
    assert not archive.has("scenes", "one")
    add(archive)
    assert archive.has("scenes", "one")


def test_taken_id_is_refused_and_kept(archive: Archive) -> None:
    add(archive)
    other = BandData(gradient()[::-1].copy(), utm_grid(), 0, 1e-4, -0.1)
    with pytest.raises(SceneExists, match="one is already in collection scenes"):
        add(archive, bands={"B04": other})
    np.testing.assert_array_equal(
        _pixels(archive.item("scenes", "one"), "B04"), gradient()
    )


def test_replace_puts_the_new_scene_in_its_place(on_disk: Archive) -> None:
    add(on_disk)
    add(on_disk, bands={"B08": red_band()}, replace=True)
    assert set(on_disk.item("scenes", "one").assets) == {"B08"}
    assert files_in(on_disk.root / "scenes") == ["one", "one/B08.tif", "one/one.json"]


def test_product_run_again_takes_the_same_place(archive: Archive) -> None:
    _product(archive, value=1)
    _product(archive, value=2)
    (item,) = archive.items("products")
    assert item.id == "yield-maize-2025"
    assert _pixels(item, "data")[0, 0] == 2


def test_product_covers_its_calendar_year(archive: Archive) -> None:
    item = _product(archive, value=1)
    assert item.datetime is None
    assert item.properties["heitu:kind"] == "yield-map"
    assert item.properties["start_datetime"] == "2025-01-01T00:00:00Z"
    assert archive.items("products", start=date(2025, 12, 31)) != []
    assert archive.items("products", start=date(2026, 1, 1)) == []


@pytest.mark.parametrize("year", [None, "2025", 25])
def test_product_without_a_year_is_refused(archive: Archive, year: object) -> None:
    with pytest.raises(PropertyInvalid, match="heitu:year") as caught:
        _product(archive, value=1, year=year)
    english(str(caught.value))


@pytest.mark.parametrize("name", ["../one", "", ".hidden", "a/b", "a b", "-x"])
def test_names_that_could_leave_the_archive(archive: Archive, name: str) -> None:
    with pytest.raises(NameInvalid):
        archive.item("scenes", name)
    with pytest.raises(NameInvalid):
        archive.items(name)
    with pytest.raises(NameInvalid):
        add(archive, bands={name: red_band()})
    assert archive.items("scenes") == []


def test_name_longer_than_a_file_can_have(archive: Archive) -> None:
    add(archive, "x" * 200)
    with pytest.raises(NameInvalid, match="200 characters") as caught:
        add(archive, "x" * 201)
    english(str(caught.value))


def test_naive_time_is_refused(on_disk: Archive) -> None:
    with pytest.raises(PropertyInvalid, match="no timezone") as caught:
        add(on_disk, acquired=datetime(2025, 6, 1))  # noqa: DTZ001
    english(str(caught.value))
    assert files_in(on_disk.root / "scenes") == []


@pytest.mark.parametrize("cloud", [float("nan"), np.int64(3)])
def test_property_json_cannot_hold(archive: Archive, cloud: object) -> None:
    with pytest.raises(PropertyInvalid, match="plain numbers") as caught:
        archive.add_scene(
            collection="scenes",
            item_id="one",
            acquired=NOON,
            geobox=utm_grid(),
            bands={"B04": red_band()},
            properties={"eo:cloud_cover": cloud},
        )
    english(str(caught.value))
    assert not archive.has("scenes", "one")


def test_scene_without_bands_is_refused(archive: Archive) -> None:
    with pytest.raises(BandInvalid, match="no bands") as caught:
        add(archive, bands={})
    english(str(caught.value))


def test_band_that_does_not_fit_its_grid() -> None:
    with pytest.raises(BandInvalid, match=r"\(39, 40\)"):
        BandData(gradient()[1:], utm_grid(), 0)


def test_opening_a_missing_archive_without_creating_it(tmp_path: Path) -> None:
    with pytest.raises(ArchiveMissing, match="no archive at"):
        Archive(tmp_path / "typo", create=False)
    assert not (tmp_path / "typo").exists()


@pytest.mark.parametrize(
    "content",
    [
        "{half",
        "[]",
        '{"type": "Feature"}',
        '{"type": "Feature", "id": "one", "bbox": [], "assets": {}, "properties": {}}',
    ],
)
def test_broken_item_file_is_an_error_not_a_gap(on_disk: Archive, content: str) -> None:
    add(on_disk, "one")
    add(on_disk, "two")
    path = on_disk.root / "scenes/one/one.json"
    path.write_text(content)
    with pytest.raises(ItemInvalid) as caught:
        on_disk.items("scenes")
    assert caught.value.href == str(path)


def test_item_folder_without_item_file_is_an_error(on_disk: Archive) -> None:
    add(on_disk)
    (on_disk.root / "scenes/one/one.json").unlink()
    with pytest.raises(ItemInvalid, match=r"one\.json"):
        on_disk.items("scenes")


def test_leftovers_of_a_killed_process(on_disk: Archive) -> None:
    add(on_disk)
    leftover = on_disk.root / "scenes/.part-two-0123"
    leftover.mkdir()
    (leftover / "B04.tif").write_bytes(b"half")
    (on_disk.root / ".part-catalog.json-0123").write_text("{")
    for path in (leftover, on_disk.root / ".part-catalog.json-0123"):
        os.utime(path, (0, 0))
    assert [item.id for item in on_disk.items("scenes")] == ["one"]
    assert on_disk.collections() == ["scenes"]
    on_disk.refresh_links()
    assert not leftover.exists()
    assert on_disk.verify() == []


def test_many_threads_lose_nothing(archive: Archive) -> None:
    names = [f"scene-{number:02d}" for number in range(32)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda name: add(archive, name), names))
    archive.refresh_links()
    assert [item.id for item in archive.items("scenes")] == names
    assert archive.verify() == []


def test_one_id_from_many_threads_is_stored_once(archive: Archive) -> None:
    start = threading.Barrier(4)

    def compete(_: int) -> str:
        start.wait()
        try:
            add(archive)
        except SceneExists:
            return "refused"
        return "stored"

    with ThreadPoolExecutor(4) as pool:
        outcomes = sorted(pool.map(compete, range(4)))
    assert outcomes == ["refused"] * 3 + ["stored"]
    archive.refresh_links()
    assert archive.verify() == []


def test_overviews_of_class_codes_invent_no_class(archive: Archive) -> None:
    codes = np.where(np.indices((1024, 1024)).sum(axis=0) % 2, 4, 8).astype("uint8")
    scl = BandData(codes, utm_grid(size=1024), 0)
    item = add(archive, bands={"SCL": scl})
    with opened(item.assets["SCL"].href) as dataset:
        assert dataset.overviews(1) != []
        coarse = dataset.read(1, out_shape=(512, 512))
    assert set(np.unique(coarse)) <= {4, 8}
