"""The time series behind one set of operations: PostgreSQL alone or TimescaleDB."""

from store.series.buckets import Buckets, daily, hourly
from store.series.capabilities import Capabilities, capabilities
from store.series.errors import SeriesBusy, TimescaleMissing
from store.series.partitions import ensure_partitions
from store.series.retention import apply_retention, compress
from store.series.rollups import refresh, refresh_hints
from store.series.status import Status, status
from store.series.timescale import Moved, migrate

__all__ = [
    "Buckets",
    "Capabilities",
    "Moved",
    "SeriesBusy",
    "Status",
    "TimescaleMissing",
    "apply_retention",
    "capabilities",
    "compress",
    "daily",
    "ensure_partitions",
    "hourly",
    "migrate",
    "refresh",
    "refresh_hints",
    "status",
]
