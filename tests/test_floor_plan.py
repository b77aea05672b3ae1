"""Which room may import which: circles and upward imports are what rots a house."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MAY_IMPORT = {
    "raster": set[str](),
    "store": set[str](),
    "ingest": {"raster", "store"},
    "sensors": {"store"},
    "models": {"raster"},
    "api": {"raster", "store", "ingest", "sensors", "models"},
}


def _imported(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.split(".")[0])
    return names & set(MAY_IMPORT)


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_room_imports_only_what_lies_below_it(room: str) -> None:
    paths = sorted((ROOT / room).rglob("*.py"))
    assert paths
    against = {
        f"{path.relative_to(ROOT)} imports {other}"
        for path in paths
        if "node_modules" not in path.parts
        for other in _imported(path) - MAY_IMPORT[room] - {room}
    }
    assert against == set()
