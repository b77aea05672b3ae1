"""Waiting for Ctrl-C or SIGTERM, and not being cut short by a second one."""

import signal
import threading

from rich.console import Console

__all__ = ["until_stopped"]


def until_stopped(console: Console, *lines: str) -> None:
    """Print where everything is and wait to be told to stop."""
    for line in lines:
        console.print(line, highlight=False)
    console.print("按 Ctrl-C 停止 · Ctrl-C stops")
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        # A signal to the whole group comes twice; the second must not cut this short.
        for again in (signal.SIGINT, signal.SIGTERM):
            signal.signal(again, signal.SIG_IGN)
        console.print("正在停止 · stopping")
