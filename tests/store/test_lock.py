import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from store import DataFolderLocked, DataFolderUnusable, lock_folder

HOLD = """
import sys, time
from pathlib import Path
from store import lock_folder
with lock_folder(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_lock_names_the_process_that_holds_it(tmp_path: Path) -> None:
    with (
        lock_folder(tmp_path),
        pytest.raises(DataFolderLocked, match=str(os.getpid())) as caught,
        lock_folder(tmp_path),
    ):
        pass
    assert caught.value.pid == os.getpid()


def test_lock_is_free_again_afterwards(tmp_path: Path) -> None:
    with lock_folder(tmp_path):
        pass
    with lock_folder(tmp_path) as path:
        assert path.read_text() == f"{os.getpid()}\n"


def test_lock_of_a_killed_process_is_free(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(DataFolderLocked, match=str(holder.pid)):
            lock_folder(tmp_path).__enter__()
        holder.send_signal(signal.SIGKILL)
    with lock_folder(tmp_path) as path:
        assert path.read_text() == f"{os.getpid()}\n"


def test_file_in_place_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    with (
        pytest.raises(DataFolderUnusable, match="--data DIR"),
        lock_folder(tmp_path / "data"),
    ):
        pass
