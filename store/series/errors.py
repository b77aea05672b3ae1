"""Errors of the time series.

StoreError
├── DatabaseUnavailable
│   └── SeriesBusy
└── TimescaleMissing
"""

from store.errors import DatabaseUnavailable, StoreError

__all__ = ["SeriesBusy", "TimescaleMissing"]


class TimescaleMissing(StoreError):
    """The server has no TimescaleDB that could be used."""


class SeriesBusy(DatabaseUnavailable):
    """Weeks that were to be dropped are still written to or read: try again later."""
