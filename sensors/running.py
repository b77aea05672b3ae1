"""What runs between a start and a stop."""

from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self


class Running(ABC):
    """A part with a thread or process of its own, as a context manager."""

    @abstractmethod
    def start(self) -> None:
        """Start; returns when the part does its work."""

    @abstractmethod
    def stop(self) -> None:
        """Stop, and wait until all is released."""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()
