"""Files whose bytes are not those that were written."""

import hashlib
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pystac
import pytest

from raster.checksum import checksum_of
from raster.errors import SceneUnreadable
from raster.files import sha256
from raster.season import season
from tests.raster.scenes import flip_one_bit, grid, write_scene

MAY: dict[str, Any] = {"start": date(2026, 5, 1), "end": date(2026, 5, 31)}

# Noise, which zstd stores as it is: a changed byte is a changed pixel, and no error.
NOISE = np.random.default_rng(1).integers(1, 65535, (600, 600))


@pytest.fixture
def item(tmp_path: Path) -> pystac.Item:
    """A scene with checksums as the STAC file extension writes them."""
    scene = write_scene(
        tmp_path, "2026-05-04", red=1000, nir=NOISE, geobox=grid(600, 600)
    )
    for asset in scene.assets.values():
        content = Path(asset.href).read_bytes()
        asset.extra_fields["file:checksum"] = (
            "1220" + hashlib.sha256(content).hexdigest()
        )
    return scene


def ndvi(item: pystac.Item, **options: Any) -> list[int]:
    lazy = season([item], grid(600, 600), **MAY, variables=("ndvi",), **options)
    numbers: list[int] = lazy.ndvi.isel(time=0).compute().to_numpy().ravel().tolist()
    return numbers


def test_a_flipped_bit_is_an_error_where_files_are_verified(item: pystac.Item) -> None:
    right = ndvi(item, verify=True)
    flip_one_bit(Path(item.assets["B08"].href))

    # Without a look at the checksum the damage goes by as another number.
    wrong = ndvi(item)
    with pytest.raises(SceneUnreadable) as caught:
        ndvi(item, verify=True)

    assert right != wrong
    assert caught.value.item_id == "S2_2026-05-04"
    assert caught.value.href == item.assets["B08"].href
    english, chinese = str(caught.value).split(" · ")
    for half in (english, chinese):
        assert "S2_2026-05-04_B08.tif" in half
        assert "`heitu archive verify --repair`" in half


def test_masks_are_verified_too(item: pystac.Item) -> None:
    item.assets["SCL"].extra_fields["file:checksum"] = "1220" + 64 * "0"

    with pytest.raises(SceneUnreadable, match=r"SCL\.tif"):
        ndvi(item, verify=True)


@pytest.mark.parametrize("told", [None, 7, "d50110" + 32 * "0", "1220abc"])
def test_what_is_no_sha256_cannot_be_verified(item: pystac.Item, told: object) -> None:
    item.assets["B08"].extra_fields["file:checksum"] = told

    assert ndvi(item, verify=True) == ndvi(item)


def test_capital_digits_are_the_same_checksum(item: pystac.Item) -> None:
    fields = item.assets["B08"].extra_fields
    fields["file:checksum"] = fields["file:checksum"].upper()

    assert ndvi(item, verify=True) == ndvi(item)


def test_verifying_changes_nothing_of_the_result(item: pystac.Item) -> None:
    plain, verified = (
        season([item], grid(9, 9), **MAY, verify=verify) for verify in (False, True)
    )

    assert plain.attrs == verified.attrs


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Files that are hashed from now on."""
    paths: list[Path] = []

    def spy(path: Path) -> str:
        paths.append(path)
        return sha256(path)

    monkeypatch.setattr("raster.checksum.sha256", spy)
    return paths


def test_a_file_is_hashed_once_by_all_blocks_and_threads(
    item: pystac.Item, hashed: list[Path]
) -> None:
    ndvi(item, verify=True, chunk=100)
    ndvi(item, verify=True)

    assert sorted(path.name for path in hashed) == [
        f"S2_2026-05-04_{name}.tif" for name in ("B04", "B08", "SCL")
    ]


def test_a_replaced_file_is_hashed_anew(item: pystac.Item, hashed: list[Path]) -> None:
    ndvi(item, verify=True)
    path = Path(item.assets["B04"].href)
    path.write_bytes(path.read_bytes())

    ndvi(item, verify=True)

    assert hashed.count(path) == 2


def test_threads_wait_for_the_one_that_hashes(
    tmp_path: Path, hashed: list[Path]
) -> None:
    path = tmp_path / "large"
    path.write_bytes(bytes(1 << 24))

    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(checksum_of, [str(path)] * 8, [(1, 2)] * 8))

    # `head -c 16777216 /dev/zero | sha256sum`
    assert found == {
        "1220080acf35a507ac9849cfcba47dc2ad83e01b75663a516279c8b9d243b719643e"
    }
    assert hashed == [path]
