"""A sparse copy holds the right bytes, whatever happens to the line."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest import download
from ingest.download import Mirror, merged, missing
from ingest.http import Unsigned, Web
from ingest.source_errors import SourceChanged, SourceCutOff, SourceError
from raster.errors import DiskFull
from tests.ingest.stac_api.server import StandIn
from tests.ingest.test_http import Clock
from tests.ingest.wording import english

SIZE = 300_000
CONTENT = np.random.default_rng(7).bytes(SIZE)
SPANS = st.lists(
    st.tuples(st.integers(0, 60), st.integers(0, 60)).map(lambda s: (min(s), max(s))),
    max_size=8,
)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[StandIn]:
    (tmp_path / "remote").mkdir()
    (tmp_path / "remote/data").write_bytes(CONTENT)
    with StandIn(tmp_path / "remote") as running:
        yield running


def _mirror(server: StandIn, folder: Path, *, tries: int = 4) -> Mirror:
    return Mirror(
        server.file_url("data"),
        folder / "data.part",
        web=Web(stop=Clock(), tries=tries),
        signer=Unsigned(),
    )


def test_only_what_is_needed_comes(server: StandIn, tmp_path: Path) -> None:
    mirror = _mirror(server, tmp_path)
    assert mirror.read(200_000, 5) == CONTENT[200_000:200_005]
    assert mirror.received == download.HEAD + 5
    assert mirror.path.stat().st_size == SIZE


def test_what_is_here_is_not_fetched_again(server: StandIn, tmp_path: Path) -> None:
    mirror = _mirror(server, tmp_path)
    mirror.need_all()
    before = mirror.received
    mirror.need([(0, SIZE)])
    assert mirror.received == before == SIZE
    assert mirror.path.read_bytes() == CONTENT


def test_another_process_goes_on_from_what_is_here(
    server: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "PIECE", 50_000)
    first = _mirror(server, tmp_path)
    first.need([(100_000, 200_000)])
    second = _mirror(server, tmp_path)
    second.need_all()
    assert second.path.read_bytes() == CONTENT
    assert first.received + second.received == SIZE


@pytest.mark.parametrize("cut", [0, 1, 1000, download.HEAD - 1])
def test_a_line_cut_at_any_byte_costs_no_byte_twice(
    server: StandIn, tmp_path: Path, cut: int
) -> None:
    server.fail("/files/data", cut_after=cut)
    mirror = _mirror(server, tmp_path)
    mirror.need_all()
    assert mirror.path.read_bytes() == CONTENT
    assert mirror.received == SIZE


def test_a_line_cut_again_and_again_is_said_and_nothing_is_lost(
    server: StandIn, tmp_path: Path
) -> None:
    server.fail("/files/data", after=1, times=None, cut_after=0)
    mirror = _mirror(server, tmp_path)
    with pytest.raises(SourceCutOff) as caught:
        mirror.need_all()
    assert f"at byte {download.HEAD} of {SIZE}" in english(str(caught.value))
    server.mend()
    again = _mirror(server, tmp_path)
    again.need_all()
    assert again.path.read_bytes() == CONTENT
    assert again.received == SIZE - download.HEAD


def test_a_server_that_knows_no_ranges_sends_the_whole_file(
    server: StandIn, tmp_path: Path
) -> None:
    server.fail("/files/data", times=None, ignore_range=True)
    mirror = _mirror(server, tmp_path)
    assert mirror.read(250_000, 9) == CONTENT[250_000:250_009]
    assert mirror.received == SIZE


def test_a_file_replaced_while_it_is_read_is_not_patched_together(
    server: StandIn, tmp_path: Path
) -> None:
    server.fail("/files/data", after=1, etag='"other"')
    mirror = _mirror(server, tmp_path)
    with pytest.raises(SourceChanged) as caught:
        mirror.need_all()
    assert "was replaced at its source" in english(str(caught.value))
    mirror.need_all()
    assert mirror.path.read_bytes() == CONTENT


def test_notes_of_another_start_of_the_machine_are_not_believed(
    server: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "PIECE", 1 << 15)
    _mirror(server, tmp_path).need_all()
    notes = tmp_path / "data.part.json"
    notes.write_text(json.dumps(json.loads(notes.read_text()) | {"boot": "other"}))
    second = _mirror(server, tmp_path)
    second.need_all()
    assert second.received == SIZE


@pytest.mark.parametrize("text", ["", "{half", "[]", "{}"])
def test_damaged_notes_cost_a_download_and_nothing_else(
    server: StandIn, tmp_path: Path, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "PIECE", 1 << 15)
    _mirror(server, tmp_path).need_all()
    (tmp_path / "data.part.json").write_text(text)
    again = _mirror(server, tmp_path)
    again.need_all()
    assert again.path.read_bytes() == CONTENT


def test_a_server_that_sends_other_bytes_than_asked_is_not_believed(
    server: StandIn, tmp_path: Path
) -> None:
    server.fail("/files/data", status=206, body=b"x" * 10, times=None)
    with pytest.raises(SourceError) as caught:
        _mirror(server, tmp_path).need_all()
    assert "cannot be believed" in english(str(caught.value))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_a_full_disk_is_said(server: StandIn, tmp_path: Path) -> None:
    mirror = _mirror(server, tmp_path)
    mirror.need([(0, 1)])
    mirror.path.unlink()
    mirror.path.symlink_to("/dev/full")
    with pytest.raises(DiskFull):
        mirror.need_all()


@given(wanted=SPANS, have=SPANS)
def test_what_is_missing_and_what_is_here_make_up_what_is_wanted(
    wanted: list[tuple[int, int]], have: list[tuple[int, int]]
) -> None:
    here = {byte for span in have for byte in range(*span)}
    asked = {byte for span in wanted for byte in range(*span)}
    lacking = [byte for span in missing(wanted, have) for byte in range(*span)]
    assert len(lacking) == len(set(lacking))
    assert set(lacking) == asked - here


def test_spans_join_over_small_holes() -> None:
    assert merged([(50, 60), (0, 10), (12, 20)], hole=2) == [(0, 20), (50, 60)]
