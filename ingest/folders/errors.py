"""Errors of products on disk.

::

    IngestError
    └── FolderError
        ├── FolderMissing       nothing there, or it cannot be listed
        └── ProductInvalid      a product that cannot be used
            └── ReaderMissing   ... because an optional package is not installed
"""

from pathlib import Path

from ingest.errors import IngestError

__all__ = ["FolderError", "FolderMissing", "ProductInvalid", "ReaderMissing"]


class FolderError(IngestError):
    """A folder of products cannot be used as it is."""


class FolderMissing(FolderError):
    """There is no such folder or file, or it cannot be listed."""

    def __init__(self, message: str, *, path: Path) -> None:
        super().__init__(message)
        self.path = path


class ProductInvalid(FolderError):
    """A product that cannot be used; `product` is its name, `file` what is wrong."""

    def __init__(self, message: str, *, product: str, file: str) -> None:
        super().__init__(message)
        self.product = product
        self.file = file


class ReaderMissing(ProductInvalid):
    """A product that a package reads which is not installed."""
