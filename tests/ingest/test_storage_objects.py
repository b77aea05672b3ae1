"""What only object storage can do, and what only there can go wrong."""

import json
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from threading import Barrier

import boto3
import numpy as np
import pystac
import pytest

from ingest import storage_objects
from ingest.archive import Archive, BandData
from ingest.errors import (
    ArchiveDenied,
    ArchiveError,
    ArchiveMissing,
    ArchiveUnreachable,
    BandInvalid,
    BucketMissing,
    ItemInvalid,
    LocationInvalid,
    SceneExists,
)
from ingest.storage_objects import ObjectStorage
from raster.season import season
from tests.ingest.builders import add, gradient, red_band, utm_grid
from tests.ingest.wording import english


@pytest.fixture
def archive(bucket: str) -> Archive:
    return Archive(f"{bucket}/archive")


def _keys(bucket: str, server: str) -> list[str]:
    client = boto3.client("s3", endpoint_url=server)
    listed = client.list_objects_v2(Bucket=bucket.removeprefix("s3://"))
    return sorted(entry["Key"] for entry in listed.get("Contents", []))


def _put(bucket: str, server: str, key: str, content: bytes) -> None:
    client = boto3.client("s3", endpoint_url=server)
    client.put_object(Bucket=bucket.removeprefix("s3://"), Key=key, Body=content)


def test_layout_in_the_bucket(archive: Archive, bucket: str, s3_server: str) -> None:
    item = add(archive)
    archive.refresh_links()
    name = item.assets["B04"].href.rsplit("/", 1)[1]
    assert _keys(bucket, s3_server) == [
        "archive/catalog.json",
        "archive/scenes/collection.json",
        f"archive/scenes/one/{name}",
        "archive/scenes/one/one.json",
    ]


def test_name_of_a_file_begins_with_its_checksum(archive: Archive) -> None:
    asset = add(archive).assets["B04"]
    digits = asset.extra_fields["file:checksum"].removeprefix("1220")[:12]
    assert asset.href.startswith(f"{archive.location}/scenes/one/B04-{digits}-")


def test_replacing_changes_no_file_under_a_reader(archive: Archive) -> None:
    before = add(archive).assets["B04"].href
    assert add(archive, replace=True).assets["B04"].href != before


def test_replaced_files_are_removed(
    archive: Archive, bucket: str, s3_server: str
) -> None:
    before = add(archive).assets["B04"].href
    after = add(archive, replace=True).assets["B04"].href
    keys = _keys(bucket, s3_server)
    assert before.removeprefix(f"{bucket}/") not in keys
    assert after.removeprefix(f"{bucket}/") in keys


def test_two_archives_of_one_place_see_the_same(archive: Archive) -> None:
    other = Archive(archive.location, create=False)
    add(archive)
    assert [item.id for item in other.items("scenes")] == ["one"]


def test_other_writer_replaces_first(archive: Archive, s3_server: str) -> None:
    add(archive)
    mine = BandData(gradient()[::-1].copy(), utm_grid(), 0, 1e-4, -0.1)
    theirs = BandData(gradient() + 1, utm_grid(), 0, 1e-4, -0.1)
    storage = storage_objects.open_bucket(archive.location)
    with storage.placing("scenes", "one", replace=True) as place:
        add(archive, bands={"B04": theirs}, replace=True)
        with pytest.raises(SceneExists):
            place.commit(b"{}")
    add(archive, bands={"B04": mine}, replace=True)
    archive.refresh_links()
    assert archive.verify() == []


def test_only_one_of_many_writers_adds_a_scene(
    archive: Archive, bucket: str, s3_server: str
) -> None:
    start = Barrier(4)

    def compete(number: int) -> str:
        start.wait()
        pixels = BandData(gradient() + number, utm_grid(), 0, 1e-4, -0.1)
        try:
            add(Archive(archive.location), bands={"B04": pixels})
        except SceneExists:
            return "refused"
        return "stored"

    with ThreadPoolExecutor(4) as pool:
        outcomes = sorted(pool.map(compete, range(4)))
    assert outcomes == ["refused"] * 3 + ["stored"]
    archive.refresh_links()
    assert archive.verify() == []
    # What the losers had uploaded is gone.
    assert len(_keys(bucket, s3_server)) == 4


def test_refused_upload_leaves_nothing(
    archive: Archive, bucket: str, s3_server: str
) -> None:
    add(archive)
    before = _keys(bucket, s3_server)
    with pytest.raises(SceneExists):
        add(archive, bands={"B05": red_band()})
    with pytest.raises(BandInvalid):
        add(archive, "two", bands={})
    assert _keys(bucket, s3_server) == before


def test_interrupted_upload_leaves_nothing(
    archive: Archive,
    bucket: str,
    s3_server: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before, upload = _keys(bucket, s3_server), ObjectStorage.upload

    def stop(storage: ObjectStorage, key: str, path: Path) -> None:
        upload(storage, key, path)
        raise KeyboardInterrupt

    monkeypatch.setattr(ObjectStorage, "upload", stop)
    with pytest.raises(KeyboardInterrupt):
        add(archive)
    assert _keys(bucket, s3_server) == before


def _killed(bucket: str, server: str) -> str:
    """Leave what a writer leaves that is killed before the item file."""
    key = "archive/scenes/two/B04-0123456789ab-01234567.tif"
    _put(bucket, server, key, b"half")
    return key


def test_killed_upload_is_not_seen(
    archive: Archive, bucket: str, s3_server: str
) -> None:
    add(archive)
    key = _killed(bucket, s3_server)
    assert [item.id for item in archive.items("scenes")] == ["one"]
    assert not archive.has("scenes", "two")
    archive.refresh_links()
    assert archive.verify() == []
    # Perhaps its writer is still at work.
    assert key in _keys(bucket, s3_server)


def test_killed_upload_of_yesterday_is_removed(
    archive: Archive, bucket: str, s3_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(archive)
    key = _killed(bucket, s3_server)
    before = _keys(bucket, s3_server)
    monkeypatch.setattr(storage_objects, "ABANDONED", timedelta(days=-1))
    archive.refresh_links()
    after = _keys(bucket, s3_server)
    assert sorted({*before, "archive/scenes/collection.json"} - {key}) == after
    assert archive.verify() == []


def test_broken_upload_leaves_nothing(
    archive: Archive, bucket: str, s3_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = _keys(bucket, s3_server)

    def fail(*_: object, **__: object) -> None:
        raise ArchiveUnreachable("gone")

    monkeypatch.setattr(ObjectStorage, "put_item", fail)
    with pytest.raises(ArchiveUnreachable):
        add(archive)
    # Whether the item file arrived is not known, so its files must stay.
    (left,) = set(_keys(bucket, s3_server)) - set(before)
    assert left.startswith("archive/scenes/one/B04-")


def test_answer_that_is_lost_is_no_failure(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    put = ObjectStorage.put_item

    def lose(storage: ObjectStorage, *args: object, **kwargs: object) -> None:
        put(storage, *args, **kwargs)  # type: ignore[arg-type]
        raise ArchiveUnreachable("the answer was lost")

    monkeypatch.setattr(ObjectStorage, "put_item", lose)
    add(archive)
    archive.refresh_links()
    assert archive.verify() == []


def test_second_try_that_finds_the_first_is_no_rival(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    put = ObjectStorage.put_item

    def twice(storage: ObjectStorage, *args: object, **kwargs: object) -> None:
        put(storage, *args, **kwargs)  # type: ignore[arg-type]
        put(storage, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(ObjectStorage, "put_item", twice)
    add(archive)
    add(archive, replace=True, bands={"B08": red_band()})
    archive.refresh_links()
    assert archive.verify() == []


def test_broken_item_is_an_error_not_a_gap(
    archive: Archive, bucket: str, s3_server: str
) -> None:
    add(archive, "one")
    add(archive, "two")
    _put(bucket, s3_server, "archive/scenes/one/one.json", b"{half")
    with pytest.raises(ItemInvalid) as caught:
        archive.items("scenes")
    assert caught.value.href == f"{archive.location}/scenes/one/one.json"
    assert not archive.has("scenes", "one")
    add(archive, "one")
    assert len(archive.items("scenes")) == 2


def test_files_of_a_broken_item_are_not_swept(
    archive: Archive,
    bucket: str,
    s3_server: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    add(archive, "one")
    _put(bucket, s3_server, "archive/scenes/one/one.json", b"{half")
    before = _keys(bucket, s3_server)
    monkeypatch.setattr(storage_objects, "ABANDONED", timedelta(days=-1))
    archive.refresh_links(on_invalid=lambda _: None)
    assert _keys(bucket, s3_server) == before


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"no raster", "9 bytes instead of"),
        (None, "missing file"),
    ],
)
def test_fault_of_a_file(
    archive: Archive, bucket: str, s3_server: str, content: bytes | None, problem: str
) -> None:
    href = add(archive).assets["B04"].href
    archive.refresh_links()
    key = href.removeprefix(f"{bucket}/")
    if content is None:
        boto3.client("s3", endpoint_url=s3_server).delete_object(
            Bucket=bucket.removeprefix("s3://"), Key=key
        )
    else:
        _put(bucket, s3_server, key, content)
    (fault,) = archive.verify()
    assert (fault.collection, fault.item_id, fault.asset) == ("scenes", "one", "B04")
    assert fault.href == href
    assert english(fault.problem).startswith(problem)


def test_one_changed_bit(archive: Archive, bucket: str, s3_server: str) -> None:
    href = add(archive).assets["B04"].href
    archive.refresh_links()
    key = href.removeprefix(f"{bucket}/")
    client = boto3.client("s3", endpoint_url=s3_server)
    place = {"Bucket": bucket.removeprefix("s3://"), "Key": key}
    content = bytearray(client.get_object(**place)["Body"].read())
    content[-1] ^= 1
    _put(bucket, s3_server, key, bytes(content))
    (fault,) = archive.verify()
    assert english(fault.problem) == "content differs from its checksum"


def test_strange_file_is_named(archive: Archive, bucket: str, s3_server: str) -> None:
    add(archive)
    archive.refresh_links()
    _put(bucket, s3_server, "archive/scenes/one/notes.txt", b"x")
    (fault,) = archive.verify()
    assert fault.href == f"{archive.location}/scenes/one/notes.txt"
    assert english(fault.problem) == "file belongs to no asset"


def test_archive_lies_in_no_folder(archive: Archive) -> None:
    with pytest.raises(LocationInvalid) as caught:
        _ = archive.root
    english(str(caught.value))


@pytest.mark.parametrize(
    "location", ["gs://bucket/a", "s3://", "s3:///a", "s3://a/b?c=d", "s3://u:p@a/b"]
)
def test_place_where_no_archive_can_lie(location: str) -> None:
    with pytest.raises(LocationInvalid) as caught:
        Archive(location)
    english(str(caught.value))


def test_missing_archive_and_missing_bucket(bucket: str) -> None:
    with pytest.raises(ArchiveMissing, match="no archive at"):
        Archive(f"{bucket}/typo", create=False)
    for create in (True, False):
        with pytest.raises(BucketMissing, match="no-such-bucket") as caught:
            Archive("s3://no-such-bucket/archive", create=create)
        english(str(caught.value))


def test_nobody_there(
    archive: Archive, unused_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = f"127.0.0.1:{unused_port}"
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{address}")
    with pytest.raises(ArchiveUnreachable, match=address) as caught:
        Archive(archive.location)
    english(str(caught.value))


def test_address_that_is_none(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "127.0.0.1:9000")
    with pytest.raises(LocationInvalid, match="AWS_ENDPOINT_URL"):
        Archive(archive.location)


@pytest.mark.parametrize("name", ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"])
def test_half_of_the_credentials(
    archive: Archive, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.delenv(name)
    with pytest.raises(ArchiveDenied, match="no credentials") as caught:
        Archive(archive.location)
    english(str(caught.value))


@pytest.fixture
def strict(archive: Archive, s3_server: str) -> Iterator[None]:
    """Make the server look at credentials: it knows none that are right."""
    _checked_from(s3_server, b"0")
    yield
    _checked_from(s3_server, b"inf")


def _checked_from(server: str, request: bytes) -> None:
    urllib.request.urlopen(
        urllib.request.Request(
            f"{server}/moto-api/reset-auth",
            data=request,
            headers={"Content-Type": "text/plain"},
        )
    ).close()


@pytest.mark.usefixtures("strict")
def test_wrong_credentials(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAWRONG")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong-secret")
    for create in (True, False):
        with pytest.raises(ArchiveDenied, match="InvalidAccessKeyId") as caught:
            Archive(archive.location, create=create)
        message = english(str(caught.value))
        assert "AKIAWRONG" not in message
        assert "wrong-secret" not in message


@pytest.mark.usefixtures("strict")
def test_every_deed_is_refused_alike(archive: Archive) -> None:
    for deed in (
        archive.collections,
        archive.refresh_links,
        archive.verify,
        lambda: archive.items("scenes"),
        lambda: archive.remove("scenes", "one"),
        lambda: add(archive),
    ):
        with pytest.raises(ArchiveError) as caught:
            deed()
        assert type(caught.value) is ArchiveDenied


def _scene(archive: Archive, day: date, *, nir: int) -> pystac.Item:
    shape, grid = (40, 40), utm_grid()
    return add(
        archive,
        f"scene-{day}",
        acquired=datetime(day.year, day.month, day.day, 4, tzinfo=UTC),
        bands={
            "B04": BandData(np.full(shape, 1500, "uint16"), grid, 0, 1e-4, -0.1),
            "B08": BandData(np.full(shape, nir, "uint16"), grid, 0, 1e-4, -0.1),
            "SCL": BandData(np.full(shape, 4, "uint8"), grid, 0),
        },
    )


def test_season_over_objects_equals_that_of_a_folder(
    archive: Archive, tmp_path: Path
) -> None:
    seasons = []
    for each in (archive, Archive(tmp_path)):
        for month, nir in ((5, 2000), (6, 4000), (7, 6000), (8, 5000), (9, 2500)):
            for day in (5, 15, 25):
                _scene(each, date(2025, month, day), nir=nir + 10 * day)
        lazy = season(
            each.items("scenes"),
            utm_grid(),
            start=date(2025, 5, 1),
            end=date(2025, 9, 30),
        )
        seasons.append(lazy.load())
    assert int(seasons[0]["peak"].max()) > 0
    for name, variable in seasons[1].data_vars.items():
        np.testing.assert_array_equal(seasons[0][name].values, variable.values)


def test_opening_does_not_empty_the_catalogue_of_another(archive: Archive) -> None:
    add(archive)
    archive.refresh_links()
    storage_objects.open_bucket(archive.location).create("catalog.json", b"{}")
    assert archive.verify() == []


def test_item_file_is_json_for_browsers(
    archive: Archive, bucket: str, s3_server: str
) -> None:
    add(archive)
    client = boto3.client("s3", endpoint_url=s3_server)
    answer = client.get_object(
        Bucket=bucket.removeprefix("s3://"), Key="archive/scenes/one/one.json"
    )
    assert answer["ContentType"] == "application/geo+json"
    assert json.loads(answer["Body"].read())["id"] == "one"
