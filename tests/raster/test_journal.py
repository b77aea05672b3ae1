from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raster.errors import WriteFailed
from raster.journal import FinishedBlock, Journal

FIRST = FinishedBlock((0, 0), {"a/c/0": (12, "ab" * 32)}, (3, 0), 3, {"sos": (7,)})
SECOND = FinishedBlock((0, 1), {}, (), 0, {})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal"


def test_blocks_come_back_as_they_were_added(path: Path) -> None:
    journal = Journal(path, "rice")
    journal.start([])
    journal.add(FIRST)
    journal.add(SECOND)

    assert Journal(path, "rice").blocks == {(0, 0): FIRST, (0, 1): SECOND}


def test_an_absent_journal_is_empty(path: Path) -> None:
    assert Journal(path, "rice").blocks == {}
    assert not Journal(path, "rice").begun


def test_the_journal_of_another_recipe_is_empty(path: Path) -> None:
    Journal(path, "rice").start([FIRST])

    assert Journal(path, "maize").blocks == {}


def test_starting_anew_keeps_only_what_is_given(path: Path) -> None:
    Journal(path, "rice").start([FIRST, SECOND])
    Journal(path, "rice").start([SECOND])

    assert Journal(path, "rice").blocks == {(0, 1): SECOND}


@given(cut=st.integers(1, 500))
def test_a_line_without_its_end_is_not_there(
    tmp_path_factory: pytest.TempPathFactory, cut: int
) -> None:
    path = tmp_path_factory.mktemp("journal") / "journal"
    Journal(path, "rice").start([FIRST, SECOND])
    content = path.read_bytes()
    path.write_bytes(content[:-cut])

    found = Journal(path, "rice").blocks

    lines = content[:-cut].count(b"\n")
    assert len(found) == max(0, lines - 1)


@given(place=st.integers(0, 10_000), value=st.integers(0, 255))
def test_an_altered_byte_costs_at_most_what_it_touches(
    tmp_path_factory: pytest.TempPathFactory, place: int, value: int
) -> None:
    path = tmp_path_factory.mktemp("journal") / "journal"
    Journal(path, "rice").start([FIRST, SECOND])
    content = bytearray(path.read_bytes())
    content[place % len(content)] = value
    path.write_bytes(content)

    found = Journal(path, "rice").blocks

    assert {(0, 0): FIRST, (0, 1): SECOND}.items() >= found.items()


def test_a_journal_that_cannot_be_written_is_an_error(path: Path) -> None:
    with pytest.raises(WriteFailed, match="cannot write"):
        Journal(path / "no" / "journal", "rice").start([])
