"""What the documents promise is what there is."""

from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import typer
from pydantic_settings import BaseSettings

from api.cli import app
from api.imagery_settings import ImagerySettings
from api.sensor_settings import SensorSettings
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


def _variables(settings: type[BaseSettings]) -> list[str]:
    """Return the environment variables that settings are read from."""
    return [
        str(field.validation_alias or f"HEITU_{name.upper()}")
        for name, field in settings.model_fields.items()
    ]


@pytest.mark.parametrize(
    "variable",
    [
        name
        for settings in (Settings, ImagerySettings, SensorSettings)
        for name in _variables(settings)
    ],
)
def test_setting_is_documented(variable: str) -> None:
    assert f"`{variable}`" in COMMANDS


def test_changelog_names_the_version() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"## [{version('heitu')}]" in changelog
