"""A crop-map model on disk: arrays and JSON with a checksum, and no code (.npz).

The id of a model is the first 16 digits of the SHA-256 over all it holds; equal models
have equal files.
"""

import hashlib
import io
import json
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from models.crop_map.accuracy import Accuracy
from models.crop_map.applicability import Applicability
from models.crop_map.errors import ModelUnreadable
from models.crop_map.features import FeaturePlan
from models.crop_map.model import MODEL_VERSION, CropMapModel
from models.crop_map.trees import Cuts, Forest
from raster.files import replace_file

__all__ = ["load_model", "model_id", "save_model"]

_DAMAGE: Final = (OSError, ValueError, KeyError, TypeError, EOFError)
_PACKED: Final = (zipfile.BadZipFile, zlib.error)

Arrays = dict[str, NDArray[Any]]


def model_id(model: CropMapModel) -> str:
    """Return the id that follows from all that a model holds."""
    return _checksum(_described(model), _arrays(model))[:16]


def save_model(model: CropMapModel, path: Path) -> str:
    """Write a model, completely or not at all, and return its id.

    Raises
    ------
    raster.WriteFailed, raster.DiskFull
        Nothing was written; an older file at `path` is untouched.
    """
    described, arrays = _described(model), _arrays(model)
    checksum = _checksum(described, arrays)
    text = json.dumps({"checksum": checksum, **described}, ensure_ascii=False)
    content = io.BytesIO()
    members: dict[str, Any] = {"described": np.array(text), **arrays}
    np.savez_compressed(content, **members)
    replace_file(path, content.getbuffer())
    return checksum[:16]


def load_model(path: Path) -> CropMapModel:
    """Read a model that `save_model` wrote; nothing in the file is executed.

    Raises
    ------
    ModelUnreadable
        No such file, a damaged one, or one of another version.
    """
    try:
        described, arrays = _read(path)
        checksum = described.pop("checksum")
        if described.get("version") != MODEL_VERSION:
            raise ValueError(
                f"version {described.get('version')}, this program reads "
                f"{MODEL_VERSION}"
            )
        if checksum != _checksum(described, arrays):
            raise ValueError("its checksum does not match")
        model = _model(described, arrays)
    except (*_DAMAGE, *_PACKED) as exc:
        raise ModelUnreadable(
            f"{path} is no crop-map model that can be used ({exc}): train it again with"
            " heitu crop-map train"
            f" · {path} 不是可用的作物图模型，请用 heitu crop-map train 重新训练"
        ) from exc
    model.check()
    return model


def _read(path: Path) -> tuple[dict[str, Any], Arrays]:
    # Opened here, since numpy leaves a damaged archive open.
    with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
        described = json.loads(file["described"].item())
        return described, {
            name: file[name] for name in file.files if name != "described"
        }


def _checksum(described: Mapping[str, Any], arrays: Arrays) -> str:
    text = json.dumps(described, sort_keys=True, ensure_ascii=False)
    digest = hashlib.sha256(text.encode())
    for name in sorted(arrays):
        array = arrays[name]
        digest.update(f"{name} {array.dtype.str} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _described(model: CropMapModel) -> dict[str, Any]:
    # Once through JSON, so that what is hashed now is what is read later.
    told = {
        "version": MODEL_VERSION,
        "plan": model.plan.described(),
        "method": model.method,
        "kinds": list(model.kinds),
        "boosted": model.mask.boosted,
        "threshold": model.applicability.threshold,
        "accuracy": {name: one.described() for name, one in model.accuracy.items()},
        "years": list(model.years),
        "simulated": model.simulated,
        "left_out": dict(model.left_out),
        "training": dict(model.training),
    }
    return dict(json.loads(json.dumps(told)))


def _arrays(model: CropMapModel) -> Arrays:
    cuts = model.cuts.values
    found: Arrays = {
        "cuts": np.concatenate([*cuts, np.empty(0)]),
        "cut_counts": np.array([one.size for one in cuts], np.int64),
    }
    for name, forest in (("mask", model.mask), ("kind", model.kind)):
        if forest is not None:
            found |= _prefixed(name, asdict(forest))
    return found | _prefixed("near", asdict(model.applicability))


def _prefixed(prefix: str, values: Mapping[str, Any]) -> Arrays:
    arrays = {k: v for k, v in values.items() if isinstance(v, np.ndarray)}
    return {f"{prefix}_{name}": array for name, array in arrays.items()}


def _model(described: Mapping[str, Any], arrays: Arrays) -> CropMapModel:
    parts = np.split(arrays["cuts"], np.cumsum(arrays["cut_counts"])[:-1])
    near = _parts("near", Applicability, arrays)
    several = "kind_words" in arrays
    return CropMapModel(
        plan=FeaturePlan.of(described["plan"]),
        method=described["method"],
        kinds=tuple(described["kinds"]),
        cuts=Cuts(tuple(parts)),
        mask=Forest(described["boosted"], **_parts("mask", Forest, arrays)),
        kind=Forest(described["boosted"], **_parts("kind", Forest, arrays))
        if several
        else None,
        applicability=Applicability(**near, threshold=described["threshold"]),
        accuracy={
            name: Accuracy.from_dict(one) for name, one in described["accuracy"].items()
        },
        years=tuple(described["years"]),
        simulated=described["simulated"],
        left_out=described["left_out"],
        training=described["training"],
    )


def _parts(prefix: str, kind: type, arrays: Arrays) -> dict[str, NDArray[Any]]:
    names = [f"{prefix}_{field.name}" for field in fields(kind)]
    return {n.removeprefix(f"{prefix}_"): arrays[n] for n in names if n in arrays}
