"""Errors of the time series.

StoreError
├── TimescaleMissing
└── SeriesBusy
"""

from store.errors import StoreError

__all__ = ["SeriesBusy", "TimescaleMissing"]


class TimescaleMissing(StoreError):
    """The server has no TimescaleDB that could be used."""


class SeriesBusy(StoreError):
    """Readings of weeks that were to be dropped kept coming in; nothing was dropped."""
