"""The agent of a farm gateway: keeps what devices publish until the platform has it."""

from sensors.edge.agent import Edge, Status, read_status
from sensors.edge.config import Config, load
from sensors.edge.errors import ClockUnset, ConfigInvalid, EdgeError, QueueUnusable
from sensors.edge.queue import read_counts

__all__ = [
    "ClockUnset",
    "Config",
    "ConfigInvalid",
    "Edge",
    "EdgeError",
    "QueueUnusable",
    "Status",
    "load",
    "read_counts",
    "read_status",
]
