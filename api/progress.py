"""Progress for a person: a line a stage, in Chinese and English, on standard error."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
)

if TYPE_CHECKING:
    from dask.callbacks import Callback

__all__ = ["Advance", "Stages", "dask_progress"]

Advance = Callable[[], None]
"""Called once for each piece of a stage that is done."""


class Stages:
    """Draws the stages of a long job; the job itself knows only `stage`.

    Standard output is left alone, so that a machine can read the result there.
    """

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(stderr=True)
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=self.console,
        )

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop drawing; what was drawn stays."""
        self._progress.stop()

    @contextmanager
    def stage(self, english: str, chinese: str, *, total: int = 1) -> Iterator[Advance]:
        """Draw one stage of `total` pieces; what is left over counts as reused."""
        task = self._progress.add_task(f"{chinese} {english}", total=max(total, 1))
        if not self.console.is_terminal:
            # A log shows no moving bars: it gets a line when a stage begins.
            self.console.print(f"{chinese} {english} …")
        yield lambda: self._progress.advance(task)
        self._progress.update(task, completed=max(total, 1))

    def counter(self, english: str, chinese: str) -> Callable[[int, int], None]:
        """Draw a stage whose work says how far it is: call with (done, in all)."""
        task = self._progress.add_task(f"{chinese} {english}", total=None)
        return lambda done, total: self._progress.update(
            task, completed=done, total=total
        )


def dask_progress(advance: Advance, *, marker: str) -> "Callback":
    """Return a dask callback that counts the tasks whose key contains `marker`."""
    # Most commands compute nothing and should not wait for dask.
    from dask.callbacks import Callback

    def count(key: object, *_: object) -> None:
        if marker in str(key):
            advance()

    return Callback(posttask=count)  # type: ignore[no-untyped-call]
