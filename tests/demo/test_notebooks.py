"""The notebooks run as they stand, on the demo's archive."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.demo.conftest import Demo

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"


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
