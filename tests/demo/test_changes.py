"""What the demo does when its inputs change, break, and come back."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import rasterio

from store import estimates, open_store
from tests.demo.conftest import Demo, heitu, run_demo


@contextmanager
def _changed_statistic(data: Path) -> Iterator[None]:
    """Let Lishu's maize of 2025 be a tonne higher for a while."""
    _add_to_statistic(data, 1.0)
    yield
    _add_to_statistic(data, -1.0)


def _add_to_statistic(data: Path, tonnes: float) -> None:
    with open_store(data=data) as store, store.connection() as conn:
        conn.execute(
            "UPDATE county_statistic SET yield_t_ha = round((yield_t_ha + %s)::numeric,"
            " 3) WHERE county = '220322' AND crop = 'maize' AND year = 2025",
            [tonnes],
        )


@contextmanager
def _without_scl(item: Path) -> Iterator[None]:
    """Take the scene classification out of an item for a while."""
    text = item.read_text(encoding="utf-8")
    content = json.loads(text)
    del content["assets"]["SCL"]
    item.write_text(json.dumps(content), encoding="utf-8")
    yield
    item.write_text(text, encoding="utf-8")


def _current_run(data: Path) -> str:
    with open_store(data=data) as store, store.connection() as conn:
        found = estimates.find(conn, year=2026, measure="yield", level="county")
    runs = {row.run_id for row in found}
    assert len(runs) == 1
    return runs.pop()


def _drawn_pixels(data: Path) -> int:
    folder = data / "archive" / "products" / "yield-maize-2026-250m"
    with rasterio.open(folder / "data.tif") as source:
        return int((source.read(1) != source.nodata).sum())


def test_inputs_that_come_back_make_their_run_current_again(demo: Demo) -> None:
    run, pixels = _current_run(demo.data), _drawn_pixels(demo.data)
    with _changed_statistic(demo.data):
        run_demo(demo.data)
        assert _current_run(demo.data) != run
    again = run_demo(demo.data)
    assert _current_run(demo.data) == run
    assert _drawn_pixels(demo.data) == pixels
    assert again["county_error"] == demo.result["county_error"]


def test_broken_scene_is_told_and_the_rest_goes_on(demo: Demo) -> None:
    folder = next((demo.data / "archive" / "sim-history-1km").glob("*-2016*"))
    with _without_scl(folder / f"{folder.name}.json"):
        ran = heitu("demo", "--exit", "--data", str(demo.data))
        faults = heitu("archive", "verify", "--data", str(demo.data))
    assert ran.returncode == 1
    assert folder.name in ran.stderr
    assert json.loads(ran.stdout.splitlines()[-1])["estimates"] > 100
    assert faults.returncode == 1
    assert folder.name in faults.stdout
    run_demo(demo.data)


def test_a_scene_whose_item_is_broken_is_made_again(demo: Demo) -> None:
    folder = next((demo.data / "archive" / "sim-s2-10m").glob("*-2026*"))
    item = folder / f"{folder.name}.json"
    whole = json.loads(item.read_text(encoding="utf-8"))
    item.write_text("{half", encoding="utf-8")
    run_demo(demo.data)
    assert json.loads(item.read_text(encoding="utf-8"))["id"] == whole["id"]
    assert heitu("archive", "verify", "--data", str(demo.data)).returncode == 0


def test_another_world_is_not_mixed_in(demo: Demo) -> None:
    ran = heitu("demo", "--exit", "--seed", "2", "--data", str(demo.data))
    assert ran.returncode == 1
    assert "--seed 1" in ran.stderr


@pytest.mark.parametrize("name", ["sim-s2-250m", "products"])
def test_files_themselves_say_that_they_are_simulated(demo: Demo, name: str) -> None:
    folder = demo.data / "archive" / name
    for path in list(folder.glob("*/*.tif"))[:5]:
        with rasterio.open(path) as source:
            assert source.tags()["HEITU_SIMULATED"] == "true"
    collection = json.loads((folder / "collection.json").read_text(encoding="utf-8"))
    assert collection["heitu:simulated"] is True
