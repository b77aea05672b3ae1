import os
import subprocess
import sys
from pathlib import Path

import pytest

from raster.jit import STRIP, source_digest

ROOT = Path(__file__).resolve().parents[2]
PRINT = "from numba import config; import raster.jit; print(config.CACHE_DIR)"


def cache_folder(**environment: str) -> str:
    """Where a fresh process keeps its kernels."""
    found = subprocess.run(
        [sys.executable, "-c", PRINT],
        env={**os.environ, **environment},
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    return found.stdout.strip()


def test_kernels_are_kept_by_the_code_they_were_made_of(tmp_path: Path) -> None:
    folder = cache_folder(XDG_CACHE_HOME=str(tmp_path), NUMBA_CACHE_DIR="")

    assert folder == str(tmp_path / "heitu" / "kernels" / source_digest()[:16])


def test_without_a_writable_home_kernels_live_as_long_as_the_process(
    tmp_path: Path,
) -> None:
    # A file stands where the folder would be made.
    (tmp_path / "heitu").write_text("")

    folder = cache_folder(XDG_CACHE_HOME=str(tmp_path), NUMBA_CACHE_DIR="")

    assert Path(folder).name.startswith("heitu-kernels-")
    assert not Path(folder).exists()


def test_a_folder_of_ones_own_is_left_alone(tmp_path: Path) -> None:
    assert cache_folder(NUMBA_CACHE_DIR=str(tmp_path)) == str(tmp_path)


@pytest.mark.parametrize("lanes", [8, 16])
def test_a_strip_fills_whole_vectors(lanes: int) -> None:
    assert STRIP % lanes == 0
