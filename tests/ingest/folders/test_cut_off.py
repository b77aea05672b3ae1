"""Metadata cut off at any byte: never an offer with less, never another error."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.offer import SceneOffer
from tests.ingest.folders.builders import offered, search
from tests.ingest.folders.landsat_builder import Landsat
from tests.ingest.folders.safe_builder import Safe
from tests.ingest.wording import english

Case = tuple[Path, Path, bytes, SceneOffer]


@pytest.fixture(scope="module", params=["SAFE", "tile", "json", "xml", "txt"])
def product(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Case:
    folder = tmp_path_factory.mktemp("product")
    if request.param in ("SAFE", "tile"):
        root = Safe().at(folder)
        name = "MTD_MSIL2A.xml" if request.param == "SAFE" else "MTD_TL.xml"
        path = next(root.rglob(name))
    else:
        path = next(Landsat(form=request.param).at(folder).glob("*_MTL.*"))
    return folder, path, path.read_bytes(), offered(folder)


@settings(deadline=None, max_examples=25)
@given(share=st.floats(0, 1))
def test_cut_metadata_are_refused_or_whole(product: Case, share: float) -> None:
    folder, path, content, whole = product
    path.write_bytes(content[: round(share * len(content))])
    found = search(folder)
    if found.offers:
        assert found.offers == (whole,)
    else:
        (refused,) = found.refused
        english(refused.reason)


@settings(deadline=None, max_examples=25)
@given(place=st.floats(0, 1, exclude_max=True), byte=st.integers(0, 255))
def test_changed_byte_raises_nothing(product: Case, place: float, byte: int) -> None:
    folder, path, content, _ = product
    changed = bytearray(content)
    changed[int(place * len(content))] = byte
    path.write_bytes(changed)
    for refused in search(folder).refused:
        english(refused.reason)
