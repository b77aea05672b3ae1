"""Waiting for Ctrl-C or SIGTERM, and not being cut short by a second one."""

import signal
import threading
from collections.abc import Callable

from rich.console import Console

__all__ = ["until_stopped"]

# Seconds between two looks whether all is well.
LOOK = 1.0


def until_stopped(
    console: Console, *lines: str, alive: Callable[[], bool] = lambda: True
) -> bool:
    """Print where everything is and wait to be told to stop.

    False when it was not told so, but ``alive`` said no.
    """
    for line in lines:
        console.print(line, highlight=False)
    console.print("按 Ctrl-C 停止 · Ctrl-C stops")
    try:
        while alive():
            threading.Event().wait(LOOK)
    except KeyboardInterrupt:
        # A signal to the whole group comes twice; the second must not cut this short.
        for again in (signal.SIGINT, signal.SIGTERM):
            signal.signal(again, signal.SIG_IGN)
        console.print("正在停止 · stopping")
        return True
    return False
