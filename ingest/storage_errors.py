"""Errors that a folder and object storage say in the same words."""

import errno
from pathlib import Path

from ingest.errors import ArchiveFull, SceneExists

__all__ = ["NO_SPACE", "full", "taken"]

NO_SPACE = {errno.ENOSPC, errno.EDQUOT}


def taken(collection: str, item_id: str) -> SceneExists:
    """Say that an item of this id is there."""
    return SceneExists(
        f"{item_id} is already in collection {collection}; pass "
        "replace=True to put this one in its place"
        f" · 影像集 {collection} 中已有 {item_id}，替换请用 replace=True"
    )


def full(item_id: str, path: Path, *, into: Path) -> ArchiveFull:
    """Say that the disk under a folder has no room for an item."""
    return ArchiveFull(
        f"no space left to write {item_id} into {into}; nothing of it was "
        "kept. Free some space there and start again: what is stored is reused"
        f" · 磁盘已满，{item_id} 未写入，请清理空间后重新运行，已存内容会继续使用",
        item_id=item_id,
        path=path,
    )
