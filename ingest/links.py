"""The files that list an archive's items, written anew from what is there."""

import posixpath
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from ingest.catalogue import (
    ItemDict,
    catalog_content,
    collection_content,
    encoded,
    linked,
    stored_item,
)
from ingest.errors import ItemInvalid
from ingest.storage import CATALOG_FILE, Storage, collection_key

__all__ = ["OnInvalid", "contents", "refresh"]

OnInvalid = Callable[[ItemInvalid], None]


def contents(
    storage: Storage, collection: str, on_invalid: OnInvalid | None = None
) -> Iterator[ItemDict]:
    """Read every item file of a collection, by id.

    Raises
    ------
    ItemInvalid
        One cannot be read, and there is no `on_invalid`.
    """

    def read(item_id: str) -> ItemDict | ItemInvalid:
        try:
            return stored_item(storage, collection, item_id)
        except ItemInvalid as exc:
            return exc

    for found in storage.each(read, storage.item_ids(collection)):
        if not isinstance(found, ItemInvalid):
            yield found
        elif on_invalid is None:
            raise found
        else:
            on_invalid(found)


def refresh(
    storage: Storage, *, on_invalid: OnInvalid | None, keep_listed: bool
) -> None:
    """Write all listings, then sweep; see `ingest.archive.Archive.refresh_links`."""
    broken: list[ItemInvalid] = []
    filled, used = [], []
    names = storage.collections()
    for name in names:
        items = list(contents(storage, name, broken.append))
        lost = _lost_items(storage, name) if keep_listed else []
        if items:
            _write(storage, collection_key(name), collection_content(name, items, lost))
            used += [key for item in items for key in _asset_keys(name, item)]
        elif not lost:
            storage.forget(name)
            continue
        # Without an item to describe it by, a collection stays described as it was.
        filled.append(name)
    if keep_listed:
        filled += _lost(storage, CATALOG_FILE, "child", names)
    _write(storage, CATALOG_FILE, catalog_content(sorted(filled)))
    _report(broken, on_invalid)
    if not broken:
        # A broken item does not tell which files are in use.
        storage.sweep(used)


def _report(broken: Sequence[ItemInvalid], on_invalid: OnInvalid | None) -> None:
    for one in broken:
        if on_invalid is None:
            raise one
        on_invalid(one)


def _lost_items(storage: Storage, collection: str) -> list[str]:
    present = storage.item_ids(collection)
    return _lost(storage, collection_key(collection), "item", present)


def _lost(
    storage: Storage, listing: str, rel: str, present: Sequence[str]
) -> list[str]:
    """Names that a listing has and that are not there; none if it cannot be read."""
    try:
        hrefs = linked(storage.read(listing), rel, href=storage.href(listing))
    except (OSError, ItemInvalid):
        return []
    listed = {posixpath.basename(posixpath.dirname(href)) for href in hrefs}
    return sorted(listed - set(present))


def _write(storage: Storage, key: str, content: Mapping[str, Any]) -> None:
    storage.write(key, encoded(content))


def _asset_keys(collection: str, item: ItemDict) -> Iterator[str]:
    for asset in item["assets"].values():
        yield f"{collection}/{item['id']}/{asset['href'].removeprefix('./')}"
