"""The optional package pcse, brought in without what its import does to a program."""

import contextlib
import importlib
import io
import logging
import warnings
from collections.abc import Iterator
from types import ModuleType

from models.wofost.errors import WofostMissing

__all__ = ["pcse_module"]


def pcse_module(name: str) -> ModuleType:
    """Import a module of pcse, for example ``"pcse.models"``.

    pcse keeps settings, a log and reference cases in ``~/.pcse``.

    Raises
    ------
    WofostMissing
        It is not installed.
    """
    with _undisturbed():
        try:
            return importlib.import_module(name)
        except ImportError as exc:
            raise WofostMissing from exc


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """Keep loggers and output: importing pcse disables the one and writes to the other.

    It configures logging anew for the whole program, and prints.
    """
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    enabled = [
        logger
        for logger in logging.root.manager.loggerDict.values()
        if isinstance(logger, logging.Logger) and not logger.disabled
    ]
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        try:
            yield
        finally:
            for added in [one for one in root.handlers if one not in handlers]:
                root.removeHandler(added)
                added.close()
            root.handlers[:] = handlers
            root.setLevel(level)
            for logger in enabled:
                logger.disabled = False
