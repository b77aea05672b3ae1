"""The one writer: takes messages from every way in and makes them durable.

source → `Writer.put` → bounded queue → writer's thread → COMMIT → `Source.settled`

Messages are settled in the order of their arrival. Whatever is not settled when the
process, a connection or the database fails is delivered again, and the store recognises
what it already has.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

from sensors.counts import Counts, Tally
from sensors.delivery import Delivery, Source
from sensors.errors import IngestStalled
from sensors.running import Running
from sensors.writer.chunk import Chunk, Settled
from sensors.writer.committing import TRANSIENT, Committer
from sensors.writer.inbox import Inbox
from sensors.writer.judging import judge
from sensors.writer.registry import Registry
from store import Store

__all__ = ["Writer"]

logger = logging.getLogger(__name__)

# Of payloads in the queue, and in one transaction.
QUEUE_OCTETS: Final = 64 << 20
BATCH_OCTETS: Final = 4 << 20
# Seconds. A pause in the arrivals ends a batch early: sources deliver only so many
# messages (20 with Mosquitto as installed) before they wait for acknowledgements.
BATCH_PAUSE: Final = 0.005
SHORTEST_RETRY: Final = 0.1
LONGEST_RETRY: Final = 5.0


class Writer(Running):
    """Stores what sources deliver, each message once; a context manager and a `Sink`.

    Parameters
    ----------
    store
        Opened and migrated.
    queue_messages
        Messages in the queue from which on sources are asked to wait; until half of
        them are left.
    batch_messages
        Most messages in one transaction.
    batch_seconds
        Longest time to wait for more messages after the first of a batch.
    """

    def __init__(
        self,
        store: Store,
        *,
        queue_messages: int = 20_000,
        batch_messages: int = 5_000,
        batch_seconds: float = 0.05,
    ) -> None:
        self._inbox = Inbox(messages=queue_messages, octets=QUEUE_OCTETS)
        self._batch_messages = batch_messages
        self._batch_seconds = batch_seconds
        self._registry = Registry(store)
        self._committer = Committer(store, self._registry)
        self._tally = Tally()
        self._failing = False
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sensors-writer")

    def start(self) -> None:
        """Start to store; a stopped writer cannot be started again."""
        self._thread.start()

    def stop(self) -> None:
        """Store and settle what has arrived.

        While the database is away nothing is waited for: what is not settled stays with
        the sources.
        """
        self._stopping.set()
        self._inbox.close()
        if self._thread.is_alive():
            self._thread.join()

    @property
    def running(self) -> bool:
        """Whether messages are being taken."""
        return self._thread.is_alive() and not self._stopping.is_set()

    @property
    def storing(self) -> bool:
        """Whether what arrives gets stored: not while the database is away or full."""
        return self.running and not self._failing

    @property
    def counts(self) -> Counts:
        """Where the messages and readings ended, as of now."""
        return self._tally.snapshot(queued=len(self._inbox))

    def put(self, deliveries: Sequence[Delivery]) -> bool:
        """Take messages; see `sensors.delivery.Sink.put`."""
        self._tally.receive(len(deliveries))
        return self._inbox.put(deliveries)

    def on_room(self, callback: Callable[[], None]) -> None:
        """Call `callback` at room; see `sensors.delivery.Sink.on_room`."""
        self._inbox.on_room(callback)

    def wait_for(self, *, messages: int, timeout: float) -> Counts:
        """Block until at least `messages` messages are settled since the start.

        Raises
        ------
        IngestStalled
            Fewer were settled within `timeout` seconds.
        """
        reached = self._tally.wait_until(
            lambda counts: counts.settled >= messages, timeout=timeout
        )
        counts = self.counts
        if not reached:
            raise IngestStalled(
                f"{counts.settled} of {messages} messages were settled within"
                f" {timeout:g} s ({counts.pending} are waiting): see the log for the"
                " state of the database and the broker"
                f" · {timeout:g} 秒内只处理了 {messages} 条消息中的 {counts.settled} 条"
            )
        return counts

    def _run(self) -> None:
        ended = False
        try:
            self._work()
            ended = True
        finally:
            # A fault of ours, which the thread's end reports: nothing is stored, and
            # nothing acknowledged, from here on.
            if not ended:
                logger.critical(
                    "the writer has died: restart the platform; %d messages stay with"
                    " their devices · 写入线程已停止，请重启平台；%d 条消息尚未确认",
                    self.counts.pending,
                    self.counts.pending,
                )

    def _work(self) -> None:
        while batch := self._inbox.take(
            messages=self._batch_messages,
            octets=BATCH_OCTETS,
            pause=BATCH_PAUSE,
            longest=self._batch_seconds,
        ):
            if not self._settle(batch):
                logger.warning(
                    "stopped without the database: %d messages stay unacknowledged",
                    self.counts.pending,
                )
                return

    def _settle(self, batch: Sequence[Delivery]) -> bool:
        """Commit and settle a batch, however long the database is away.

        Returns False when stopped before that.
        """
        work: deque[Chunk] = deque()
        delay = SHORTEST_RETRY
        while True:
            try:
                # After a failure the rest of the work goes on, with its rows as judged.
                if not work:
                    work.append(judge(self._registry, batch))
                begun = time.monotonic()
                for settled in self._committer.settle(work):
                    self._tell(settled, seconds=time.monotonic() - begun)
                    begun = time.monotonic()
                    # The database is back, whatever becomes of the next chunk.
                    delay = SHORTEST_RETRY
            except TRANSIENT as error:
                self._failing = True
                logger.warning("database is away, next try in %g s: %s", delay, error)
                if self._stopping.wait(delay):
                    return False
                delay = min(2 * delay, LONGEST_RETRY)
            else:
                self._failing = False
                return True

    def _tell(self, settled: Settled, *, seconds: float) -> None:
        by_source: dict[int, tuple[Source, list[Delivery]]] = {}
        for delivery in settled.deliveries:
            source = delivery.source
            if (mine := by_source.get(id(source))) is None:
                mine = by_source[id(source)] = (source, [])
            mine[1].append(delivery)
        # Acknowledged first, counted second: who waits for a count finds all of it
        # told.
        for source, deliveries in by_source.values():
            source.settled(deliveries)
        self._tally.settle(settled.entries, seconds=seconds)
