"""One chunk, one transaction: readings, quarantine, states and the ledger together."""

import logging
from collections import deque
from collections.abc import Iterator
from typing import Final
from uuid import uuid4

import psycopg

from sensors.writer.chunk import Chunk, Settled
from sensors.writer.flagging import Flagging, revise
from sensors.writer.registry import Registry
from store import (
    DatabaseUnavailable,
    RowRefused,
    Store,
    StreamUnknown,
    commands,
    ledger,
    quarantine,
    readings,
)

__all__ = ["TRANSIENT", "Committer"]

logger = logging.getLogger(__name__)

# The database is away, full or busy, or was changed under us: the same rows may succeed
# later. Whatever it is, the devices keep their messages until it is over.
TRANSIENT: Final = (DatabaseUnavailable, psycopg.Error)
# The database refuses the rows themselves: they would fail for ever.
REFUSED: Final = (RowRefused, StreamUnknown)


class Committer:
    """Stores chunks one after the other; for one thread.

    Each is in the store exactly once, also when the connection breaks during its
    COMMIT: the ledger tells whether that happened.
    """

    def __init__(self, store: Store, registry: Registry) -> None:
        self._store = store
        self._registry = registry
        self._flagging = Flagging(registry)
        self._writer_id = uuid4()

    def settle(self, work: deque[Chunk]) -> Iterator[Settled]:
        """Commit the chunks of `work`, first to last, and yield each after its COMMIT.

        A chunk leaves `work` only when it is committed: after an error, calling again
        with the same `work` goes on where it stopped. A chunk that the store refuses is
        halved until the message to blame stands alone, and goes into quarantine.

        Raises
        ------
        DatabaseUnavailable, psycopg.Error
            The database is away; whether the first chunk of `work` is committed will be
            found out by the next call.
        """
        while work:
            chunk = work[0]
            try:
                settled = self._commit(chunk)
            except REFUSED as error:
                # Most likely a stream was removed since it was looked up.
                self._registry.forget()
                logger.warning(
                    "%d messages refused by the store: %s", len(chunk), error
                )
                work.popleft()
                work.extendleft(reversed(_divided(chunk, error)))
            else:
                work.popleft()
                yield settled

    def _commit(self, chunk: Chunk) -> Settled:
        # The outermost transaction: only inside of it are all others savepoints.
        with self._store.connection() as conn, conn.transaction():
            # Settled before, this is another try: the COMMIT of the one before may have
            # got through although the connection broke.
            if chunk.settled is None or not self._is_in(conn, chunk):
                chunk.settled = self.write(conn, chunk)
        # Reached only when the COMMIT at the end of the block succeeded.
        self._flagging.keep()
        return chunk.settled

    def _is_in(self, conn: psycopg.Connection, chunk: Chunk) -> bool:
        return ledger.committed(
            conn, writer_id=self._writer_id, batch_id=chunk.batch_id
        )

    def write(self, conn: psycopg.Connection, chunk: Chunk) -> Settled:
        """Do all of a chunk but the COMMIT, in a `conn.transaction()` of the caller.

        Raises
        ------
        RowRefused, StreamUnknown
            A row broke a rule of the database.
        """
        flags = self._flagging.evaluate(conn, chunk)
        written = readings.write(conn, chunk.batch)
        revise(conn, flags)
        quarantine.add(conn, chunk.refused())
        settled = chunk.judged(written, _report(conn, chunk))
        if not ledger.record(
            conn,
            settled.entries,
            writer_id=self._writer_id,
            batch_id=chunk.batch_id,
        ):
            # The COMMIT of the try before was still under way when it was asked for:
            # `settled` stays as that try has left it.
            raise psycopg.Rollback
        return settled


def _report(conn: psycopg.Connection, chunk: Chunk) -> list[int]:
    """Hand the reported states on; returns the entries of those that are new."""
    return [
        stated.entry
        for stated in chunk.stated
        if commands.report(
            conn,
            device_id=stated.device_id,
            time_us=stated.report.time_us,
            received_us=chunk.deliveries[chunk.message[stated.entry]].received_us,
            state=stated.report.state,
            command_id=stated.report.command_id,
        )
    ]


def _divided(chunk: Chunk, error: Exception) -> list[Chunk]:
    if len(chunk) > 1:
        return chunk.halves()
    return [chunk.without_rows(f"refused by the store: {error}")]
