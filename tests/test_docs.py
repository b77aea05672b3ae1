"""What the documents promise is what there is."""

from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import typer

from api.cli import app
from api.settings import Settings

ROOT = Path(__file__).resolve().parents[1]
COMMANDS = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")


def _commands(command: Any, path: str) -> list[str]:
    """Return the full names of all commands below a command."""
    if not (below := getattr(command, "commands", None)):
        return [path]
    return [name for sub in below for name in _commands(below[sub], f"{path} {sub}")]


@pytest.mark.parametrize("command", _commands(typer.main.get_command(app), "heitu"))
def test_command_is_documented(command: str) -> None:
    assert f"`{command}`" in COMMANDS


@pytest.mark.parametrize("setting", Settings.model_fields)
def test_setting_is_documented(setting: str) -> None:
    assert f"`HEITU_{setting.upper()}`" in COMMANDS


def test_changelog_names_the_version() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"## [{version('heitu')}]" in changelog
