"""What a user can run into is said in both languages."""

import errno
import os
import re
from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pystac
import pytest

from raster.cog import write_cog
from raster.errors import (
    AssetMissing,
    DiskFull,
    NoScenes,
    OffsetUnknown,
    RasterError,
    SceneUnreadable,
    WriteFailed,
)
from raster.reader import read_band
from raster.selection import Band, acquired_on, scene_of, select
from tests.raster.scenes import PLAIN, grid, write_scene

Deed = Callable[[Path, pytest.MonkeyPatch], object]

MAY = date(2026, 5, 1)


def _read_nothing(folder: Path, _: pytest.MonkeyPatch) -> None:
    read_band(Band("an-item", str(folder / "a.tif"), None), grid())


def _scene(folder: Path, calibration: Mapping[str, Any] = PLAIN) -> pystac.Item:
    return write_scene(folder, "2026-05-01", red=1, nir=1, calibration=calibration)


def _forget_time(folder: Path, _: pytest.MonkeyPatch) -> None:
    item = _scene(folder)
    item.datetime = None
    acquired_on(item)


def _write(path: Path, dtype: str = "uint8") -> None:
    write_cog(path, np.ones((3, 3), dtype), grid(), nodata=None)


def _fill_disk(folder: Path, patch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    patch.setattr(os, "fsync", full)
    _write(folder / "a.tif")


@pytest.mark.parametrize(
    ("error", "deed"),
    [
        (SceneUnreadable, _read_nothing),
        (OffsetUnknown, lambda folder, _: scene_of(_scene(folder, {}), ["R"])),
        (AssetMissing, lambda folder, _: scene_of(_scene(folder), ["S1"])),
        (NoScenes, lambda *_: select([], start=MAY, end=MAY, bands=[])),
        (NoScenes, _forget_time),
        (WriteFailed, lambda folder, _: _write(folder / "no" / "a.tif")),
        (DiskFull, _fill_disk),
    ],
)
def test_message_in_both_languages(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    error: type[RasterError],
    deed: Deed,
) -> None:
    with pytest.raises(error) as caught:
        deed(tmp_path, monkeypatch)

    english, chinese = str(caught.value).split(" · ")
    assert re.search("[a-z]{3}", english)
    assert re.search("[\u4e00-\u9fff]", chinese)
