"""`heitu ingest scenes`, `folder` and `report`, as they are typed."""

import copy
import csv
import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from api.cli import app
from ingest.archive import Archive
from ingest.http import Web
from tests.ingest.small_world import PLACE, SmallWorld, at
from tests.ingest.stac_api.server import StandIn

BOX = [f"{edge:.6f}" for edge in PLACE.buffer(-0.005).bounds]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> SmallWorld:
    return SmallWorld(tmp_path_factory.mktemp("provider"))


@pytest.fixture(scope="module")
def items(world: SmallWorld) -> list[dict[str, object]]:
    return [world.add("2025-06-01"), world.add("2025-06-11", cloud=90.0)]


@pytest.fixture
def server(world: SmallWorld, items: list[dict[str, object]]) -> Iterator[StandIn]:
    with StandIn(world.folder) as running:
        at(running, *copy.deepcopy(items))
        yield running


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Web, "pause", lambda *_: None)
    monkeypatch.delenv("HEITU_ARCHIVE", raising=False)


def _heitu(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def _scenes(server: StandIn, data: Path, *more: object) -> Result:
    where = ["--bbox", *BOX, "--year", 2025, "--url", server.api_url]
    kind = ["--collection", "sentinel-2-c1-l2a"]
    return _heitu("ingest", "scenes", *where, *kind, "--data", data, *more)


def test_a_place_and_a_season_come_into_the_archive(
    server: StandIn, tmp_path: Path
) -> None:
    result = _scenes(server, tmp_path)
    assert result.exit_code == 0, result.output
    assert "2 scenes added, 0 missing · 新增 2 景，缺 0 景" in result.output
    archive = Archive(tmp_path / "archive", create=False)
    assert len(archive.items("sentinel-2-c1-l2a")) == 2
    assert archive.verify() == []


def test_a_plan_says_what_would_come_and_fetches_nothing(
    server: StandIn, tmp_path: Path
) -> None:
    result = _scenes(server, tmp_path, "--plan", "--cloud", 50)
    assert result.exit_code == 0
    assert "to come 待获取" in result.output
    assert "left out for their cloud 云量过大" in result.output
    assert server.bytes_sent == 0


def test_a_second_run_does_nothing(server: StandIn, tmp_path: Path) -> None:
    _scenes(server, tmp_path)
    sent = server.bytes_sent
    result = _scenes(server, tmp_path)
    assert result.exit_code == 0
    assert "nothing to come" in result.output
    assert server.bytes_sent == sent


def test_a_season_without_scenes_is_not_called_complete(
    server: StandIn, tmp_path: Path
) -> None:
    result = _scenes(server, tmp_path, "--cloud", 1)
    assert "every scene has more cloud than --cloud allows" in result.output
    words = ["--bbox", *BOX, "--year", 2024, "--url", server.api_url]
    result = _heitu("ingest", "scenes", *words, "--data", tmp_path)
    assert result.exit_code == 0, result.output
    assert "nothing there" in result.output


def test_what_is_missing_is_named_and_the_exit_code_tells(
    server: StandIn, tmp_path: Path
) -> None:
    server.fail("/files/2025-06-01/*", status=500, times=None)
    result = _scenes(server, tmp_path)
    assert result.exit_code == 1
    assert "1 scenes added, 1 missing" in result.output
    assert "the server is busy (500)" in result.stderr


def test_an_item_that_cannot_be_used_is_missing_too(
    server: StandIn, tmp_path: Path
) -> None:
    bad = copy.deepcopy(server.api.items[0])
    bad["id"] = "S2B_T51TXK_20250621T023552_L2A"
    bad["properties"]["datetime"] = "2025-06-21T02:40:12Z"
    for asset in bad["assets"].values():
        asset.pop("raster:bands", None)
    server.api.items.append(bad)
    result = _scenes(server, tmp_path)
    assert result.exit_code == 1
    assert "2 scenes added, 1 missing" in result.output
    assert "S2B_T51TXK_20250621T023552_L2A" in result.stderr


def test_a_lost_page_is_an_error_not_a_shorter_season(
    server: StandIn, tmp_path: Path
) -> None:
    server.api.page_size, server.api.lost_page = 1, 1
    result = _scenes(server, tmp_path)
    assert result.exit_code == 1
    assert type(result.exception).__name__ == "SearchIncomplete"
    assert Archive(tmp_path / "archive").collections() == []


def test_the_report_tells_what_is_there_dekad_by_dekad(
    server: StandIn, tmp_path: Path
) -> None:
    _scenes(server, tmp_path, "--cloud", 50)
    where = ["--bbox", *BOX, "--start", "2025-06-01", "--end", "2025-06-20"]
    result = _heitu("ingest", "report", *where, "--csv", "--data", tmp_path)
    rows = list(csv.DictReader(io.StringIO(result.stdout)))
    assert [(row["dekad"], row["expected"], row["present"]) for row in rows] == [
        ("2025-06-01", "1", "1"),
        ("2025-06-11", "0", "0"),
    ]
    assert rows[1]["cloudy"] == "1"
    assert 0.3 < float(rows[0]["clear_share"]) < 0.7
    assert result.exit_code == 0


def test_a_report_of_what_nobody_searched_is_no_success(tmp_path: Path) -> None:
    Archive(tmp_path / "archive")
    where = ["--bbox", *BOX, "--year", 2025]
    result = _heitu("ingest", "report", *where, "--data", tmp_path)
    assert result.exit_code == 1
    assert "?" in result.stdout


def test_verify_and_repair_as_they_are_typed(
    server: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _scenes(server, tmp_path)
    archive = Archive(tmp_path / "archive")
    (item, _) = archive.items("sentinel-2-c1-l2a")
    Path(item.assets["B04"].href).write_bytes(b"")
    assert _heitu("archive", "verify", "--data", tmp_path).exit_code == 1
    result = _heitu("archive", "verify", "--repair", "--data", tmp_path)
    assert result.exit_code == 0, result.output
    assert archive.verify() == []


@pytest.mark.parametrize(
    "words",
    [
        ["--year", 2025],
        ["--bbox", *BOX],
        ["--bbox", *BOX, "--county", "220184", "--year", 2025],
        ["--bbox", *BOX, "--year", 2025, "--start", "2025-05-01"],
    ],
)
def test_half_a_question_is_a_usage_error(words: list[object], tmp_path: Path) -> None:
    result = _heitu("ingest", "scenes", *words, "--data", tmp_path)
    assert result.exit_code == 2


def test_an_unknown_source_is_named(tmp_path: Path) -> None:
    words = ["--bbox", *BOX, "--year", 2025, "--source", "moon", "--data", tmp_path]
    result = _heitu("ingest", "scenes", *words)
    assert "no source 'moon': take one of earth-search" in str(result.exception)


def test_sentinel_hub_asks_for_credentials(tmp_path: Path) -> None:
    words = ["--bbox", *BOX, "--year", 2025, "--data", tmp_path]
    result = _heitu("ingest", "scenes", *words, "--source", "sentinel-hub")
    assert "HEITU_SENTINEL_HUB_CLIENT_ID" in str(result.exception)


def test_a_folder_without_products_brings_nothing(tmp_path: Path) -> None:
    (tmp_path / "products").mkdir()
    result = _heitu("ingest", "folder", tmp_path / "products", "--data", tmp_path)
    assert "nothing there" in result.output
