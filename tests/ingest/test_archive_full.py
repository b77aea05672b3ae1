"""A disk that really fills up, in a process of its own."""

import resource
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

from ingest.archive import Archive, BandData
from raster.errors import WriteFailed
from tests.ingest.builders import add, files_in, utm_grid

ROOT = Path(__file__).parents[2]

# One megabyte of disk: the first scene fits, the second does not, the third does.
FILL = """
import sys
from pathlib import Path
import numpy as np
from ingest.archive import Archive, BandData
from ingest.errors import ArchiveFull
from tests.ingest.builders import add, files_in, utm_grid

noise = np.random.default_rng(1).integers(1, 60_000, (1000, 1000), dtype=np.uint16)
large = BandData(noise, utm_grid(size=1000), 0, 1e-4, -0.1)
archive = Archive(Path(sys.argv[1]))
add(archive, "first")
try:
    add(archive, "second", bands={"B04": large})
except ArchiveFull as exc:
    print("full", exc.item_id)
add(archive, "third")
archive.refresh_links()
print(archive.verify())
print(files_in(archive.root))
"""


def _run_on_small_disk(folder: Path) -> subprocess.CompletedProcess[str]:
    script = folder / "fill.py"
    script.write_text(textwrap.dedent(FILL))
    disk = folder / "disk"
    disk.mkdir()
    command = 'mount -t tmpfs -o size=1m tmpfs "$1" && exec "$2" "$3" "$1"'
    return subprocess.run(
        [
            "unshare",
            "--user",
            "--map-root-user",
            "--mount",
            "sh",
            "-c",
            command,
            "sh",
            str(disk),
            sys.executable,
            str(script),
        ],
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
    )


@pytest.fixture
def may_mount(tmp_path: Path) -> None:
    if shutil.which("unshare") is None:
        pytest.skip("no unshare command to make a small disk with")
    probe = ["unshare", "--user", "--map-root-user", "--mount", "mount", "-t", "tmpfs"]
    done = subprocess.run([*probe, "tmpfs", str(tmp_path)], capture_output=True)
    if done.returncode != 0:
        pytest.skip("this machine lets no user mount a small disk")


@pytest.mark.usefixtures("may_mount")
def test_full_disk_loses_one_scene_and_no_other(tmp_path: Path) -> None:
    done = _run_on_small_disk(tmp_path)
    assert done.returncode == 0, done.stderr
    message, faults, files = done.stdout.splitlines()
    assert message == "full second"
    assert faults == "[]"
    assert "scenes/first/B04.tif" in files
    assert "scenes/third/B04.tif" in files
    assert "second" not in files
    assert ".part" not in files


def test_failed_write_leaves_nothing_of_the_scene(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    add(archive, "first")
    before = files_in(tmp_path)
    noise = np.random.default_rng(1).integers(1, 60_000, (500, 500), dtype=np.uint16)
    large = BandData(noise, utm_grid(size=500), 0, 1e-4, -0.1)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with pytest.raises(WriteFailed):
            add(archive, "second", bands={"B04": large})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert files_in(tmp_path) == before
