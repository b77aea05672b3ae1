"""Answers that are not what was asked for are named, and nothing is written."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from affine import Affine

from ingest.sentinel_hub import HubPieceEmpty, HubPieceInvalid, HubTileMissing
from ingest.source_errors import SourceError, SourceUnreadable
from tests.ingest.sentinel_hub.scenes import ITEM, PATH, source_of, wanted
from tests.ingest.sentinel_hub.server import Fault, HubServer, Rasters, packed
from tests.ingest.wording import english

Change = Callable[[Rasters], Any]


def with_parts(**changes: Callable[[Any], Any]) -> Change:
    return lambda parts: {
        **parts,
        **{name: change(parts[name]) for name, change in changes.items()},
    }


def with_meaning(**changes: Any) -> Change:
    return with_parts(userdata=lambda said: {**said, **changes})


def without(name: str) -> Change:
    return lambda parts: {key: part for key, part in parts.items() if key != name}


def one_number_outside(values: Any) -> Any:
    values[0, 0, 0] = 7
    return values


ANSWERS: dict[str, tuple[Change, type[SourceError], str]] = {
    "one row short": (
        with_parts(values=lambda a: a[:, 1:]),
        HubPieceInvalid,
        "has shape (1, 255, 256)",
    ),
    "one band more": (
        with_parts(values=lambda a: np.concatenate([a, a])),
        HubPieceInvalid,
        "has shape (2, 256, 256)",
    ),
    "mask of another size": (
        with_parts(dataMask=lambda a: a[:, :, 1:]),
        HubPieceInvalid,
        "dataMask.tif",
    ),
    "float": (
        with_parts(values=lambda a: a.astype("float32")),
        HubPieceInvalid,
        "has type",
    ),
    "byte": (
        with_parts(values=lambda a: a.astype("uint8")),
        HubPieceInvalid,
        "has type",
    ),
    "elsewhere": (
        with_parts(transform=lambda at: at @ Affine.translation(1, 0)),
        HubPieceInvalid,
        "lies elsewhere",
    ),
    "larger pixels": (
        with_parts(transform=lambda at: at @ Affine.scale(2)),
        HubPieceInvalid,
        "lies elsewhere",
    ),
    "another zone": (
        with_parts(crs=lambda _: "32652"),
        HubPieceInvalid,
        "has CRS 32652",
    ),
    "no mask": (without("dataMask"), HubPieceInvalid, "has no dataMask.tif"),
    "no values": (without("values"), HubPieceInvalid, "has no values.tif"),
    "another offset": (
        with_meaning(offset=0.0),
        HubPieceInvalid,
        "says offset 0.0 where -0.1",
    ),
    "another scale": (with_meaning(scale=0.001), HubPieceInvalid, "says scale 0.001"),
    "other bands": (with_meaning(bands=["B03"]), HubPieceInvalid, "says bands"),
    "another product": (with_meaning(product="x"), HubPieceInvalid, "says product"),
    "no meaning": (
        with_parts(userdata=lambda _: None),
        HubPieceInvalid,
        "userdata.json",
    ),
    "meaning without tiles": (
        with_parts(userdata=lambda _: {}),
        HubPieceInvalid,
        "userdata.json",
    ),
    "two tiles": (
        with_meaning(tiles=[PATH, f"{PATH}/1"]),
        HubTileMissing,
        "of 2 tiles",
    ),
    "no tile": (with_meaning(tiles=[]), HubTileMissing, "of 0 tiles (none)"),
    "empty": (
        with_parts(values=np.zeros_like, dataMask=np.zeros_like),
        HubPieceEmpty,
        "has no data here",
    ),
    "numbers outside the mask": (
        with_parts(values=one_number_outside),
        HubPieceInvalid,
        "where its data mask",
    ),
    "all zero inside the mask": (
        with_parts(values=np.zeros_like),
        HubPieceInvalid,
        "has nothing but 0",
    ),
    "mask of 255": (
        with_parts(dataMask=lambda a: a * 255),
        HubPieceInvalid,
        "is not 0 or 1",
    ),
    "half a TAR": (lambda parts: packed(parts)[:9000], HubPieceInvalid, "no TAR"),
    "empty body": (lambda _: b"", HubPieceInvalid, "no TAR"),
}


@pytest.mark.parametrize(
    ("change", "error", "told"), ANSWERS.values(), ids=ANSWERS.keys()
)
def test_wrong_answer_is_named(
    hub: HubServer, tmp_path: Path, change: Change, error: type[SourceError], told: str
) -> None:
    (offer,) = source_of(hub).search(wanted(bands=("R",))).offers
    hub.fail("process", Fault(change=change))
    with pytest.raises(error) as caught:
        source_of(hub).fetch(offer, "B04", clip=None, folder=tmp_path)
    message = english(str(caught.value))
    assert told in message
    assert f"{ITEM} 10 m [0:256, 0:256]" in message
    assert not (tmp_path / "B04.tif").exists()
    assert not list((tmp_path / ".hub-10m").iterdir())


def test_class_that_there_is_not_is_named(hub: HubServer, tmp_path: Path) -> None:
    (offer,) = source_of(hub).search(wanted()).offers
    hub.fail("process", Fault(change=with_parts(SCL=lambda a: (a > 0) * np.uint8(12))))
    with pytest.raises(HubPieceInvalid, match="class 12"):
        source_of(hub).fetch(offer, "SCL", clip=None, folder=tmp_path)


def test_wrong_answer_is_unreadable_as_of_every_source() -> None:
    assert issubclass(HubPieceEmpty, SourceUnreadable)
