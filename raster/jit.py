"""Compiled kernels: one decorator, and a cache that a change of code cannot fool.

Numba keeps compiled code on disk and compares the time stamp of a kernel's own file,
not of the files of the kernels it calls: after a change there, the old code would run
on. So the cache lies in a folder named by a digest of every source file of this room.

Inside kernels a **strip** is a flat buffer of `STRIP` pixels times some rows, time
first: neighbouring pixels fill the lanes of the vector unit. LLVM vectorises such a
loop only when it can see that no two accesses overlap, that is when every distance in
the one buffer is a constant; hence the flat indices, and hence their unsigned type:
Numba wraps signed ones around zero with a branch.
"""

import atexit
import hashlib
import os
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar, cast

import numba
import numpy as np
import platformdirs
from numba import config

STRIP = 128
"""Pixels a strip: a season's work buffers then stay in the CPU's second cache."""

P = np.uint64(STRIP)
ONE = np.uint64(1)
TWO = np.uint64(2)


@cache
def source_digest() -> str:
    """SHA-256 of this room's Python code as it was when the process began."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def _cache_folder() -> str:
    folder = platformdirs.user_cache_path("heitu") / "kernels" / source_digest()[:16]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return _passing_folder()
    return str(folder) if os.access(folder, os.W_OK) else _passing_folder()


def _passing_folder() -> str:
    """Make a folder for this process alone: without a cache numba would not start."""
    # A name that others could guess would let them put code into it.
    folder = TemporaryDirectory(prefix="heitu-kernels-")
    atexit.register(folder.cleanup)
    return folder.name


# Whoever set NUMBA_CACHE_DIR knows better.
if not config.CACHE_DIR:  # type: ignore[attr-defined]
    config.CACHE_DIR = _cache_folder()  # type: ignore[attr-defined]

F = TypeVar("F", bound=Callable[..., Any])

# No fastmath: it would let the bytes of a result depend on the processor.
_njit = partial(numba.njit, nogil=True, cache=True, error_model="numpy")


def kernel(function: F) -> F:
    """Compile a function at its first call; it runs without the interpreter lock."""
    return cast("F", _njit(function))
