"""The oldest PostgreSQL that is supported, from Debian's package."""

import os
import pwd
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import pytest

PROGRAMS = Path("/usr/lib/postgresql/15/bin")


@contextmanager
def postgres15() -> Iterator[str]:
    """Run an empty PostgreSQL 15; gives its URL, skips the test where there is none."""
    if not (PROGRAMS / "initdb").exists():
        pytest.skip(f"no PostgreSQL 15: {PROGRAMS} is not there")
    user = _unprivileged()
    with tempfile.TemporaryDirectory(prefix="heitu-test-", dir="/tmp") as name:
        folder = Path(name)
        if user:
            os.chown(folder, user.pw_uid, user.pw_gid)
        cluster = folder / "data"
        utf8 = ("-E", "UTF8")
        _run(user, "initdb", "-D", cluster, "-A", "trust", "-U", "postgres", *utf8)
        options = f"-h '' -k {folder} -c fsync=off"
        log = folder / "log"
        _run(user, "pg_ctl", "start", "-w", "-D", cluster, "-l", log, "-o", options)
        try:
            yield f"postgresql://postgres@/postgres?host={quote(name, safe='')}"
        finally:
            _run(user, "pg_ctl", "stop", "-w", "-D", cluster, "-m", "immediate")


def _unprivileged() -> pwd.struct_passwd | None:
    """Return whom to run it as; None for ourselves."""
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam("postgres")
    except KeyError:
        pytest.skip("no PostgreSQL 15: root cannot run it, and no user postgres")


def _run(user: pwd.struct_passwd | None, program: str, *arguments: str | Path) -> None:
    done = subprocess.run(
        [PROGRAMS / program, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/tmp",
        user=user.pw_uid if user else None,
        group=user.pw_gid if user else None,
        extra_groups=[] if user else None,
        env={"LC_ALL": "C", "PATH": os.defpath},
        check=False,
    )
    assert done.returncode == 0, f"{program} failed"
