"""Files with a producer's name that no reader takes: half loaded, packed otherwise."""

import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from ingest.folders.files import Files
from ingest.folders.product import Product, day_of, not_usable

__all__ = ["products"]

_PREFIX = (
    r"(?P<id>(?:S2[A-D]_MSIL[12]|L[COTEM]0\d_L|HLS\.[SL]30\.|S1[A-D]_|M[OY]D13Q1\.)"
    r"[\w.-]*?)"
)
_PACKED = r"(?P<form>(?:\.SAFE)?\.(?:zip|tar))"
_UNREADABLE = (
    r"(?P<form>(?:\.SAFE)?(?:\.tar|\.zip)?"
    r"\.(?:gz|tgz|bz2|xz|rar|7z|part|partial|crdownload|download|tmp|aria2))"
)
_IN_FOLDER = re.compile(_PREFIX + _UNREADABLE, re.IGNORECASE)
# A zip in a zip: only the outer one is looked into.
_IN_CONTAINER = re.compile(f"{_PREFIX}(?:{_PACKED})", re.IGNORECASE)


def products(files: Files) -> Iterator[Product]:
    """Products that must be unpacked or loaded again before they can be read."""
    pattern = _IN_CONTAINER if files.scheme else _IN_FOLDER
    for name in files.sizes:
        found = pattern.fullmatch(PurePosixPath(name).name)
        if found:
            yield Product(
                found["id"],
                frozenset({name}),
                not_usable(
                    PurePosixPath(name).name,
                    f"cannot be read as {found['form']}{_where(files)}; finish the "
                    "download, or unpack it to a folder, a .zip or a .tar",
                    f"不能直接读取 {found['form']}{_where(files)}，请完成下载，或解压为"
                    "文件夹、.zip 或 .tar",
                ),
                day_of(found["id"]),
            )


def _where(files: Files) -> str:
    return f" ({files.root.name})" if files.scheme else ""
