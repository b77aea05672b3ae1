"""Open files: each thread has its own, so many at a time, and finds them again."""

import os
import resource
import threading
from collections import OrderedDict
from functools import lru_cache

import rasterio
from rasterio.io import DatasetReader
from rasterio.session import DummySession

from raster.remote import gdal_path, s3_options

GDAL_OPTIONS = {
    # A block is read once: a large cache would only hold what nobody asks for.
    "GDAL_CACHEMAX": 64_000_000,
    # Scenes have no files beside them that belong to their pixels, and looking for
    # some in a folder, or a bucket, of thousands takes longer than the header.
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
}
"""Options of `rasterio.Env` to read under."""

# An open file keeps most of a megabyte, in every thread; opening one costs a twentieth
# of reading its part of a block. So a season of some thirty dates stays open, and a
# longer one costs a little time instead of memory.
MOST_OPEN = 96

Version = tuple[int, ...]
"""What changes when a local file is replaced; empty for a remote one."""


class _OpenFiles(threading.local):
    """The open files of one thread; GDAL handles must not be shared."""

    def __init__(self) -> None:
        self.files: OrderedDict[tuple[object, ...], DatasetReader] = OrderedDict()


_open_files = _OpenFiles()


def version_of(href: str) -> Version:
    """Give what changes when a local file is replaced: open handles do not notice.

    Raises
    ------
    OSError
        The file is not there.
    """
    if "://" in href or href.startswith("/vsi"):
        return ()
    status = os.stat(href)
    return status.st_ino, status.st_mtime_ns, status.st_size


def open_file(href: str, overview: int | None, version: Version) -> DatasetReader:
    """Open a file, or one of its overviews by number, for this thread alone.

    Raises
    ------
    rasterio.errors.RasterioError
        It is missing or no raster.
    SettingInvalid
        It is on an object store whose address is none.
    """
    key, files = (href, overview, *version), _open_files.files
    if key in files:
        files.move_to_end(key)
        return files[key]
    files[key] = _opened(href, overview)
    while len(files) > _most_open():
        files.popitem(last=False)[1].close()
    return files[key]


def _opened(href: str, overview: int | None) -> DatasetReader:
    path = gdal_path(href)
    options = {} if overview is None else {"overview_level": overview}
    if path == href:
        return rasterio.open(path, **options)
    # GDAL signs its requests itself; a boto3 session would only cost time.
    with rasterio.Env(session=DummySession(), **s3_options(os.environ)):
        return rasterio.open(path, **options)


@lru_cache(maxsize=1)
def _most_open() -> int:
    """Files that a thread may hold: at most its share of what the system allows."""
    allowed, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    threads = os.cpu_count() or 1
    return max(8, min(MOST_OPEN, allowed // (2 * threads)))
