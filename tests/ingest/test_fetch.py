"""A band of an offer arrives as the window that is wanted, bit for bit."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import rasterio

from ingest.checksum import agrees, multihash
from ingest.fetch import fetch_band
from ingest.http import Web
from ingest.offer import BandOffer
from ingest.source_errors import (
    ChecksumDiffers,
    ClipOutside,
    SourceError,
    SourceUnreadable,
)
from tests.ingest.rasters import LEFT, NAMES, TOP, degrees, numbers, pixels, write
from tests.ingest.stac_api.server import StandIn
from tests.ingest.test_http import Clock
from tests.ingest.wording import english

ARRAY = numbers(2100, 2300)


@pytest.fixture(scope="module")
def remote(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("remote")
    for driver, name in NAMES.items():
        options = {"compress": "deflate"} if driver == "COG" else {}
        write(folder / f"{driver}.{name}", ARRAY, driver=driver, **options)
    return folder


@pytest.fixture
def server(remote: Path) -> Iterator[StandIn]:
    with StandIn(remote) as running:
        yield running


def _offer(href: str, **given: object) -> BandOffer:
    return BandOffer("B04", href, 0, 1e-4, -0.1, **given)  # type: ignore[arg-type]


def _fetch(offer: BandOffer, folder: Path, **options: object) -> np.ndarray:
    web = Web(stop=Clock(), tries=3)
    fetch_band(offer, folder=folder, web=web, **{"clip": None, **options})  # type: ignore[arg-type]
    return pixels(folder / "B04.tif")


@pytest.mark.parametrize("driver", NAMES)
def test_a_whole_remote_file_arrives(
    server: StandIn, tmp_path: Path, driver: str
) -> None:
    offer = _offer(server.file_url(f"{driver}.{NAMES[driver]}"))
    np.testing.assert_array_equal(_fetch(offer, tmp_path), ARRAY)
    assert [path.name for path in tmp_path.iterdir()] == ["B04.tif"]


@pytest.mark.parametrize("driver", NAMES)
def test_a_window_of_a_remote_file_arrives(
    server: StandIn, tmp_path: Path, driver: str
) -> None:
    clip = degrees(rows=(700, 900), columns=(600, 1000))
    _fetch(_offer(server.file_url(f"{driver}.{NAMES[driver]}")), tmp_path, clip=clip)
    with rasterio.open(tmp_path / "B04.tif") as file:
        row = round((TOP - file.transform.f) / 10)
        column = round((file.transform.c - LEFT) / 10)
        expected = ARRAY[row : row + file.height, column : column + file.width]
        np.testing.assert_array_equal(file.read(1), expected)
        assert file.height * file.width < 210 * 410


def test_only_the_tiles_of_the_window_come_over_the_line(
    server: StandIn, tmp_path: Path
) -> None:
    clip = degrees(rows=(600, 900), columns=(600, 900))
    _fetch(_offer(server.file_url("COG.tif")), tmp_path, clip=clip)
    # One tile of 512 x 512 numbers, and the directories; the file has 9.6 MB.
    assert server.bytes_sent < 600_000


def test_a_checksum_that_does_not_fit_is_said_and_nothing_stays(
    server: StandIn, tmp_path: Path
) -> None:
    offer = _offer(server.file_url("COG.tif"), checksum=multihash("sha256", "0" * 64))
    with pytest.raises(ChecksumDiffers) as caught:
        _fetch(offer, tmp_path)
    assert "its checksum is not 1220000" in english(str(caught.value))
    assert list(tmp_path.iterdir()) == []


def test_another_size_than_the_item_says_is_said(
    server: StandIn, tmp_path: Path
) -> None:
    with pytest.raises(ChecksumDiffers, match="bytes instead of 5"):
        _fetch(_offer(server.file_url("COG.tif"), size=5), tmp_path)


def test_a_file_cut_off_at_its_source_is_never_taken_for_whole(
    remote: Path, tmp_path: Path
) -> None:
    whole = (remote / "COG.tif").read_bytes()
    (tmp_path / "cut.tif").write_bytes(whole[: len(whole) // 2])
    with StandIn(tmp_path) as server, pytest.raises(SourceUnreadable):
        _fetch(_offer(server.file_url("cut.tif")), tmp_path)
    assert not (tmp_path / "B04.tif").exists()


def test_a_window_of_a_file_cut_off_at_its_source_is_an_error(
    remote: Path, tmp_path: Path
) -> None:
    whole = (remote / "COG.tif").read_bytes()
    (tmp_path / "cut.tif").write_bytes(whole[: len(whole) // 2])
    clip = degrees(rows=(1900, 2000), columns=(1900, 2000))
    with StandIn(tmp_path) as server, pytest.raises(SourceUnreadable):
        _fetch(_offer(server.file_url("cut.tif")), tmp_path, clip=clip)
    assert not (tmp_path / "B04.tif").exists()


@pytest.mark.parametrize("cut", [1, 7, 16, 300, 700, 5000, 60_000])
def test_a_run_after_one_that_was_cut_off_in_the_head_reads_true_pixels(
    server: StandIn, tmp_path: Path, cut: int
) -> None:
    offer = _offer(server.file_url("COG.tif"))
    clip = degrees(rows=(700, 900), columns=(600, 1000))
    server.fail("/files/COG.tif", cut_after=cut)
    server.fail("/files/COG.tif", status=503, times=None)
    with pytest.raises(SourceError):
        _fetch(offer, tmp_path, clip=clip)
    server.mend()
    _fetch(offer, tmp_path, clip=clip)
    with rasterio.open(tmp_path / "B04.tif") as file:
        row = round((TOP - file.transform.f) / 10)
        column = round((file.transform.c - LEFT) / 10)
        expected = ARRAY[row : row + file.height, column : column + file.width]
        np.testing.assert_array_equal(file.read(1), expected)


def test_the_size_of_a_file_is_compared_though_only_a_window_comes(
    server: StandIn, tmp_path: Path
) -> None:
    clip = degrees(rows=(700, 900), columns=(600, 1000))
    with pytest.raises(ChecksumDiffers, match="bytes instead of 5"):
        _fetch(_offer(server.file_url("COG.tif"), size=5), tmp_path, clip=clip)


def test_a_place_beside_the_scene_is_said(server: StandIn, tmp_path: Path) -> None:
    with pytest.raises(ClipOutside):
        _fetch(_offer(server.file_url("COG.tif")), tmp_path, clip=(10, 50, 11, 51))


def test_class_codes_get_no_mean_in_their_overviews(
    server: StandIn, tmp_path: Path
) -> None:
    codes = np.full((1100, 1100), 4, np.uint8)
    codes[::2] = 9
    write(tmp_path / "scl.tif", codes, driver="COG")
    offer = BandOffer("B04", str(tmp_path / "scl.tif"), 0)
    _fetch(offer, tmp_path)
    with rasterio.open(tmp_path / "B04.tif", overview_level=0) as file:
        assert set(np.unique(file.read(1))) <= {4, 9}


@pytest.mark.parametrize("name", ["md5", "sha1", "sha256", "sha512", "sha3_256"])
def test_checksums_of_all_producers_are_compared(tmp_path: Path, name: str) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"maize")
    digest = hashlib.new(name, b"maize").hexdigest()
    assert agrees(path, multihash(name, digest.upper())) is True
    assert agrees(path, multihash(name, digest[::-1])) is False


def test_a_checksum_of_an_unknown_function_says_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"maize")
    assert agrees(path, "ffff00") is None
