"""The command line, run as a user runs it."""

import subprocess
import sys
from pathlib import Path

import pytest

from store.lock import lock_folder
from tests.demo.conftest import heitu


def test_version_is_printed() -> None:
    assert heitu("version").stdout == "0.1.0\n"


def test_the_shortest_command_loads_no_arrays() -> None:
    seen = "import sys, api.cli; print('numpy' in sys.modules)"
    ran = subprocess.run(
        [sys.executable, "-c", seen], capture_output=True, text=True, check=True
    )
    assert ran.stdout == "False\n"


def test_unknown_option_is_wrong_usage() -> None:
    assert heitu("demo", "--no-such-option").returncode == 2


@pytest.mark.parametrize("command", ["alerts", "devices", "series"])
def test_an_argument_in_another_encoding_is_said(command: str) -> None:
    # Python hands it on as the byte 0xff.
    ran = heitu(command, "list", "--farm", "\udcff")
    assert ran.returncode == 2
    assert "'\\udcff' is not UTF-8" in ran.stderr
    assert "终端编码" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_archive_that_is_not_there_is_an_error(private_folder: Path) -> None:
    ran = heitu("archive", "list", "--data", str(private_folder / "none"))
    assert ran.returncode == 1
    assert "no archive" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_device_is_added_once_and_listed(private_folder: Path) -> None:
    place = ("--lon", "124.34", "--lat", "43.31", "--data", str(private_folder))
    add = ("devices", "add", "probe-1", "--kind", "soil-probe", *place)
    assert heitu(*add).stdout == "farm/home/probe-1/up\n"
    again = heitu(*add)
    assert again.returncode == 1
    assert "already registered" in again.stderr
    assert "probe-1" in heitu("devices", "list", "--data", str(private_folder)).stdout


def test_unknown_kind_names_the_kinds(private_folder: Path) -> None:
    place = ("--lon", "124.34", "--lat", "43.31", "--data", str(private_folder))
    ran = heitu("devices", "add", "x", "--kind", "toaster", *place)
    assert ran.returncode == 1
    assert "cattle-collar" in ran.stderr


def test_platform_refuses_a_folder_in_use(tmp_path: Path) -> None:
    with lock_folder(tmp_path):
        ran = heitu("serve", "--data", str(tmp_path), "--port", "0")
    assert ran.returncode == 1
    assert "already runs Heitu" in ran.stderr


def test_password_of_an_unreachable_database_is_not_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = "postgresql://ann:s3cret@127.0.0.1:1/heitu"
    monkeypatch.setenv("HEITU_DATABASE_URL", url)
    ran = heitu("devices", "list", "--data", str(tmp_path))
    assert ran.returncode == 1
    assert "127.0.0.1:1" in ran.stderr
    assert "s3cret" not in ran.stderr + ran.stdout


def test_wrong_setting_is_one_clear_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEITU_PORT", "abc")
    ran = heitu("devices", "list", "--data", str(tmp_path))
    assert ran.returncode == 1
    assert "HEITU_PORT" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_port_out_of_range_is_wrong_usage(tmp_path: Path) -> None:
    assert heitu("serve", "--data", str(tmp_path), "--port", "99999").returncode == 2
