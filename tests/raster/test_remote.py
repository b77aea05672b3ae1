import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import boto3
import numpy as np
import pystac
import pytest
import xarray as xr
from moto.server import ThreadedMotoServer

from raster.errors import SceneUnreadable, SettingInvalid
from raster.remote import gdal_path, s3_options
from raster.season import season
from tests.raster.scenes import grid, write_scene

BUCKET = "scenes"

# Neither a URL nor a header holds these as they are.
PREFIX = "51TWK/一号 地+1%20"


@pytest.mark.parametrize(
    ("href", "path"),
    [
        ("s3://bucket/a/key.tif", "/vsis3/bucket/a/key.tif"),
        ("S3://Bucket/Key.tif", "/vsis3/Bucket/Key.tif"),
        ("s3://bucket/a?b#c.tif", "/vsis3/bucket/a?b#c.tif"),
        ("/data/s3:/a.tif", "/data/s3:/a.tif"),
        ("/vsis3/bucket/key.tif", "/vsis3/bucket/key.tif"),
        ("https://host/a.tif?sig=1", "https://host/a.tif?sig=1"),
    ],
)
def test_only_an_s3_href_is_another_path(href: str, path: str) -> None:
    assert gdal_path(href) == path


@pytest.mark.parametrize(
    ("environ", "host", "https"),
    [
        ({"AWS_ENDPOINT_URL": "http://127.0.0.1:9000"}, "127.0.0.1:9000", "NO"),
        ({"AWS_ENDPOINT_URL": " HTTPS://s3.host.cn/ "}, "s3.host.cn", "YES"),
        (
            {"AWS_ENDPOINT_URL": "http://all", "AWS_ENDPOINT_URL_S3": "https://s3"},
            "s3",
            "YES",
        ),
        ({"AWS_ENDPOINT_URL": "http://all", "AWS_ENDPOINT_URL_S3": ""}, "all", "NO"),
    ],
)
def test_a_store_of_one_s_own_is_found_by_its_address(
    environ: dict[str, str], host: str, https: str
) -> None:
    assert s3_options(environ) == {
        "AWS_S3_ENDPOINT": host,
        "AWS_HTTPS": https,
        "AWS_VIRTUAL_HOSTING": "FALSE",
    }


@pytest.mark.parametrize("environ", [{}, {"AWS_ENDPOINT_URL": ""}, {"HOME": "/root"}])
def test_no_address_is_no_option(environ: dict[str, str]) -> None:
    assert s3_options(environ) == {}


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("127.0.0.1:9000", "'127.0.0.1:9000'"),
        ("ftp://host", "'ftp://host'"),
        ("https://host/a/path", "'https://host/a/path'"),
        ("http://", "'http://'"),
        ("https://user:secret@host", "'https://***@host'"),
    ],
)
def test_an_address_that_is_none(address: str, shown: str) -> None:
    with pytest.raises(SettingInvalid, match=re.escape(shown)) as caught:
        s3_options({"AWS_ENDPOINT_URL": address})

    assert "secret" not in str(caught.value)
    english, chinese = str(caught.value).split(" · ")
    assert "AWS_ENDPOINT_URL" in english
    assert re.search("[\u4e00-\u9fff]", chinese)


@pytest.fixture(scope="module")
def store() -> Iterator[str]:
    """Address of an object store with one empty bucket."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(autouse=True)
def _credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a-key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a-secret")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.delenv("AWS_ENDPOINT_URL_S3", raising=False)
    # As a machine behind a proxy has it, for all but itself.
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def uploaded(item: pystac.Item, address: str) -> pystac.Item:
    """Put an item's files into the store; the item with their hrefs there."""
    client = boto3.client("s3", endpoint_url=address)
    client.create_bucket(Bucket=BUCKET)
    there = item.clone()
    for asset in there.assets.values():
        key = f"{PREFIX}/{Path(asset.href).name}"
        client.upload_file(asset.href, BUCKET, key)
        asset.href = f"s3://{BUCKET}/{key}"
    return there


def may(item: pystac.Item, *, verify: bool = False) -> xr.Dataset:
    return season(
        [item],
        grid(600, 600),
        start=date(2026, 5, 1),
        end=date(2026, 5, 31),
        variables=("ndvi", "clear_count"),
        verify=verify,
    ).compute()


def test_a_season_from_object_storage_is_that_from_files(
    tmp_path: Path, store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Too large to come whole with the header.
    noise = np.random.default_rng(1).integers(1, 65535, (600, 600))
    noise[0, 0] = 4100
    here = write_scene(
        tmp_path, "2026-05-04", red=900, nir=noise, geobox=grid(600, 600)
    )
    there = uploaded(here, store)
    monkeypatch.setenv("AWS_ENDPOINT_URL", store)

    found = may(there)

    # 3200 / 5000.
    assert found.ndvi.isel(time=0, y=0, x=0).item() == 6400
    xr.testing.assert_identical(found.drop_attrs(), may(here).drop_attrs())


def test_an_object_that_is_not_there_is_named(
    tmp_path: Path, store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = write_scene(tmp_path, "2026-05-09", red=900, nir=4100)
    there = uploaded(here, store)
    there.assets["B04"].href = f"s3://{BUCKET}/nowhere.tif"
    monkeypatch.setenv("AWS_ENDPOINT_URL", store)

    with pytest.raises(SceneUnreadable) as caught:
        may(there)

    assert caught.value.href == f"s3://{BUCKET}/nowhere.tif"


def test_remote_files_are_not_read_whole_to_verify_them(
    tmp_path: Path, store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = uploaded(write_scene(tmp_path, "2026-05-04", red=900, nir=4100), store)
    there.assets["SCL"].extra_fields["file:checksum"] = "1220" + 64 * "0"
    monkeypatch.setenv("AWS_ENDPOINT_URL", store)

    assert may(there, verify=True).ndvi.isel(time=0, y=0, x=0).item() == 6400


def test_files_are_read_whatever_the_address_of_a_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "no address")

    found = may(write_scene(tmp_path, "2026-05-04", red=900, nir=4100))

    assert found.ndvi.isel(time=0, y=0, x=0).item() == 6400
