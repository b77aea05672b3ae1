"""The notebooks run as they stand, on the demo's archive or on what they simulate."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import pytest

from tests.demo.conftest import Demo

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"


@pytest.fixture(autouse=True)
def _own_figures() -> Iterator[None]:
    """Draw without a screen, and leave no settings to other tests."""
    plt.switch_backend("agg")
    with mpl.rc_context():
        yield
    plt.close("all")


def run_cells(path: Path) -> dict[str, Any]:
    """Run the code cells in order in one namespace; returns it."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    namespace: dict[str, Any] = {}
    for cell in cells:
        if cell["cell_type"] == "code":
            exec("".join(cell["source"]), namespace)
    return namespace


def test_season_notebook(demo: Demo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEITU_DATA", str(demo.data))
    found = run_cells(NOTEBOOKS / "season.ipynb")
    dekads = found["dekads"]
    assert len(dekads) == 21
    # Maize country: bare in April, closed in late July.
    assert dekads["smooth"].iloc[0:3].max() < 0.35
    assert dekads["smooth"].max() > 0.7


def test_notebook_maps_yields_that_add_up_to_the_townships() -> None:
    found = run_cells(NOTEBOOKS / "yield_map.ipynb")
    assert found["towns"]["difference"].abs().max() < 1e-6
    assert found["accuracy"].overall.value > 0.9
    # The map tells fields apart that one number for all does not.
    assert found["error"] < found["flat"]
    assert found["covered"] > 0.85


def test_notebook_estimates_areas_nearer_the_truth_than_pixels() -> None:
    found = run_cells(NOTEBOOKS / "field_sample.ipynb")
    maize = found["areas"].loc["玉米"]
    assert maize["下限"] < maize["真值 ha"] < maize["上限"]
    missed = abs(maize["估计 ha"] - maize["真值 ha"])
    assert missed < abs(maize["数像元 ha"] - maize["真值 ha"])
    # Of 60 intervals of 95 %, more than 8 miss less than once in 300 times.
    assert sum(found["missed"]) <= 8


def test_notebook_evaluates_a_table_of_ones_own() -> None:
    found = run_cells(NOTEBOOKS / "evaluate.ipynb")
    scores = found["scores"]
    assert scores["模型 RMSE"].notna().all()
    assert scores["模型 RMSE"].iloc[-1] < scores["五年平均 RMSE"].iloc[-1]
    assert "kg/mu" in str(found["refused"])
