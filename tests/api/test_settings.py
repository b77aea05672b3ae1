"""Where the archive of a platform lies."""

from pathlib import Path

import pytest

from api.settings import Settings, command_settings


def test_archive_lies_in_the_data_folder(tmp_path: Path) -> None:
    assert Settings(data=tmp_path).archive == tmp_path / "archive"


def test_archive_follows_the_folder_of_the_command_line(tmp_path: Path) -> None:
    assert command_settings(tmp_path).archive == tmp_path / "archive"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("s3://bucket/some/archive", "s3://bucket/some/archive"),
        ("/srv/archive", Path("/srv/archive")),
        ("~/archive", Path.home() / "archive"),
        ("archive", Path.cwd() / "archive"),
    ],
)
def test_archive_elsewhere(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, given: str, expected: Path | str
) -> None:
    monkeypatch.setenv("HEITU_ARCHIVE", given)
    assert command_settings(tmp_path).archive == expected


def test_empty_variable_is_none(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HEITU_ARCHIVE", "")
    assert command_settings(tmp_path).archive == tmp_path / "archive"
