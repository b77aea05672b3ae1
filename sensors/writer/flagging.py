"""The quality tests of a chunk, with what the store must first tell about a stream."""

from dataclasses import replace

import numpy as np
import psycopg
from numpy.typing import NDArray

from sensors.quality import HISTORY, Flags, History, Quality, limits_for
from sensors.writer.chunk import Chunk
from sensors.writer.registry import Registry
from store import readings

__all__ = ["Flagging", "revise"]


class Flagging:
    """Flags the rows of a chunk; for one thread.

    What a chunk says is remembered by `keep` only, so that a chunk may be tried again.
    """

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._quality = Quality()

    def evaluate(self, conn: psycopg.Connection, chunk: Chunk) -> Flags:
        """Set the flags of a chunk's rows; returns them with the revised ones."""
        batch = chunk.batch
        self._meet(conn, chunk)
        flags = self._quality.evaluate(batch.stream_id, batch.time_us, batch.value)
        chunk.batch = replace(batch, flag=flags.flag)
        return flags

    def keep(self) -> None:
        """Remember the chunk that was evaluated last: it is committed."""
        self._quality.commit()

    def _meet(self, conn: psycopg.Connection, chunk: Chunk) -> None:
        """Give the tests the limits and the newest readings of streams new to them."""
        strangers = self._quality.unknown(chunk.batch.stream_id)
        if not len(strangers):
            return
        profiles = [self._registry.profile(stream) for stream in strangers.tolist()]
        self._quality.add(
            strangers,
            [limits_for(profile.kind, profile.quantity) for profile in profiles],
            _history(conn, strangers),
            partners=np.array([profile.partner for profile in profiles], np.int32),
        )


def revise(conn: psycopg.Connection, flags: Flags) -> None:
    """Write the flags of earlier readings that a chunk throws new light on."""
    if len(flags.revised_stream):
        readings.reflag(
            conn, flags.revised_stream, flags.revised_time_us, flags.revised_flag
        )


def _history(conn: psycopg.Connection, streams: NDArray[np.int32]) -> History:
    found = readings.recent(conn, streams, count=HISTORY)
    return History(found.stream_id, found.time_us, found.value, found.flag)
