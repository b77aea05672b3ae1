"""Files of named arrays with a description of what they are for (.npz)."""

import io
import json
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from odc.geo.geobox import GeoBox

from raster.errors import WeightsUnreadable
from raster.files import replace_file

_FORMAT = "coverage weights 1"

_DAMAGE = (zipfile.BadZipFile, zlib.error)


def grid_text(geobox: GeoBox) -> str:
    """One text for one grid: CRS, size and affine transform to the last bit."""
    height, width = geobox.shape
    affine = ", ".join(repr(float(number)) for number in tuple(geobox.affine)[:6])
    return f"{geobox.crs} {height} x {width} ({affine})"


def save_arrays(
    path: Path, described: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]
) -> None:
    """Write arrays and a description, completely or not at all.

    Raises
    ------
    DiskFull, WriteFailed
        Nothing was written; an older file at `path` is untouched.
    """
    text = json.dumps({"format": _FORMAT, **described})
    members: dict[str, Any] = {"described": np.array(text), **arrays}
    content = io.BytesIO()
    np.savez_compressed(content, **members)
    replace_file(path, content.getbuffer())


def load_arrays(
    path: Path, names: Sequence[str]
) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Read the description and the named arrays that `save_arrays` wrote.

    Raises
    ------
    WeightsUnreadable
        No such file, or not a whole file of this format.
    """
    try:
        # Opened here, since numpy leaves a damaged archive open.
        with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
            described = json.loads(file["described"].item())
            if described["format"] != _FORMAT:
                raise KeyError(described["format"])
            return described, {name: file[name] for name in names}
    except (OSError, ValueError, KeyError, EOFError, *_DAMAGE) as exc:
        raise WeightsUnreadable(
            f"{path} does not hold {_FORMAT} ({exc}): delete it and compute them anew"
            f" · 无法从 {path} 读取权重，请删除后重新计算"
        ) from exc
