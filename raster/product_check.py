"""Products that are there already: their item, and whether their files are whole."""

import json
from pathlib import Path

import pystac

from raster.files import multihash, sha256
from raster.product_item import zarr_checksum


def read_product(folder: Path, product_id: str) -> pystac.Item | None:
    """Read the item of a product in a folder; None where there is none to be read."""
    try:
        return item_at(folder.absolute() / product_id)
    except (OSError, ValueError, KeyError, pystac.STACError):
        return None


def item_at(final: Path) -> pystac.Item:
    """Read the item of the product at `final`, with absolute asset hrefs."""
    path = final / f"{final.name}.json"
    item = pystac.Item.from_dict(json.loads(path.read_text(encoding="utf-8")))
    item.set_self_href(str(path))
    item.make_asset_hrefs_absolute()
    return item


def is_whole(item: pystac.Item) -> bool:
    """Tell whether all files of a product have the bytes that were once written."""
    try:
        return all(
            _checksum(Path(asset.href)) == asset.extra_fields.get("file:checksum")
            for asset in item.assets.values()
        )
    except OSError:
        return False


def _checksum(path: Path) -> str:
    if not path.is_dir():
        return multihash(sha256(path))
    files = (file for file in path.rglob("*") if file.is_file())
    return zarr_checksum(
        {
            file.relative_to(path).as_posix(): (file.stat().st_size, sha256(file))
            for file in files
        }
    )
