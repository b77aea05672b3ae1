"""From the endpoint into the queue: what is settled here is on the disk."""

import logging
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby, islice

from sensors.delivery import Delivery
from sensors.edge.errors import QueueUnusable
from sensors.edge.local_rules import LocalRules, Step
from sensors.edge.queue import Entry, Queue, QueueFull
from sensors.edge.rewriting import How, forward
from sensors.running import Running

__all__ = ["Inbox"]

logger = logging.getLogger(__name__)

# Messages in memory from which on the endpoint is asked to wait.
WAITING_MOST = 2_000
# Messages and bytes of one transaction: each costs the disk one write.
BATCH = 500
BATCH_BYTES = 262_144
# Seconds between looks at the clock for rules of silence.
TICK = 1.0
# Seconds until a full or silent disk is tried again, if nobody says so earlier.
AGAIN = 1.0


@dataclass(slots=True)
class _Work:
    """Messages, what is to be written of them, and what the rules make of them."""

    deliveries: Sequence[Delivery]
    entry: Entry
    step: Step


class Inbox(Running):
    """Writes messages in order, with a thread of its own; a `Sink`.

    Parameters
    ----------
    queue
        Where they go.
    rules
        What looks at them on the way.
    farm
        The farm.
    act
        Called with what the rules want done, after it is on the disk.
    on_written
        Called after each transaction.
    now_us
        The clock.
    """

    def __init__(
        self,
        queue: Queue,
        rules: LocalRules,
        *,
        farm: str,
        act: Callable[[Step], None],
        on_written: Callable[[], None],
        now_us: Callable[[], int],
    ) -> None:
        self._queue = queue
        self._rules = rules
        self._farm = farm
        self._act = act
        self._on_written = on_written
        self._now_us = now_us
        self._waiting: deque[Delivery] = deque()
        self._changed = threading.Condition()
        self._room_callbacks: list[Callable[[], None]] = []
        self._asked_to_wait = False
        self._stopping = False
        self._next_tick = 0.0
        self.fault: str | None = None
        self._thread = threading.Thread(target=self._run, name="edge-inbox")

    @property
    def running(self) -> bool:
        """Whether messages are written."""
        return self._thread.is_alive()

    def start(self) -> None:
        """Start writing."""
        self._thread.start()

    def stop(self) -> None:
        """Write what there is room for, then stop; the rest was never acknowledged."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        if self._thread.ident is not None:
            self._thread.join()

    def put(self, deliveries: Sequence[Delivery]) -> bool:
        """Take all of them; False when the source must wait."""
        with self._changed:
            self._waiting.extend(deliveries)
            self._asked_to_wait |= len(self._waiting) >= WAITING_MOST
            self._changed.notify_all()
            return not self._asked_to_wait

    def on_room(self, callback: Callable[[], None]) -> None:
        """Call `callback` whenever there is room again."""
        self._room_callbacks.append(callback)

    def room(self) -> None:
        """Hear that the queue may have room again."""
        with self._changed:
            self._changed.notify_all()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(self._due, timeout=TICK)
                batch = self._first()
            if not batch and self._stopping:
                return
            try:
                self._store(batch)
            except QueueUnusable as error:
                logger.critical("%s", error)
                self.fault = str(error)
                return
            if self.fault is not None and self._stopping:
                return

    def _first(self) -> list[Delivery]:
        """Return what the next transaction takes, at least one message if there is."""
        batch: list[Delivery] = []
        size = 0
        for delivery in islice(self._waiting, BATCH):
            size += len(delivery.payload)
            if batch and size > BATCH_BYTES:
                break
            batch.append(delivery)
        return batch

    def _due(self) -> bool:
        return bool(self._waiting or self._stopping)

    def _store(self, batch: Sequence[Delivery]) -> None:
        """Write a batch, or its first part, or wait for room."""
        while True:
            work = self._work(batch)
            try:
                if _worth_writing(work):
                    self._queue.write(work.entry)
            except QueueFull as error:
                # A part of it may still fit: what is left of the room is used to the
                # end.
                if len(batch) > 1:
                    batch = batch[: len(batch) // 2]
                    continue
                self._wait_for_room(str(error))
                return
            break
        if self.fault is not None:
            logger.warning("the queue has room again · 队列恢复写入")
            self.fault = None
        self._written(work)

    def _work(self, batch: Sequence[Delivery]) -> _Work:
        forwards = [forward(delivery, farm=self._farm) for delivery in batch]
        now_us = self._now_us()
        step = self._rules.step(
            [uplink for each in forwards for uplink in each.uplinks],
            now_us,
            tick=self._ticked(),
        )
        messages = [
            (message, delivery.received_us)
            for delivery, each in zip(batch, forwards, strict=True)
            for message in each.messages
        ]
        messages += [(report, now_us) for report in step.reports]
        counts = Counter(received=len(batch))
        counts["rewritten"] = sum(each.how is How.REWRITTEN for each in forwards)
        counts["undecodable"] = sum(each.how is How.UNDECODABLE for each in forwards)
        entry = Entry(messages, counts, step.saved_states, step.new_streams)
        return _Work(batch, entry, step)

    def _ticked(self) -> bool:
        """Whether it is time to look at the clock; true once a `TICK`."""
        now = time.monotonic()
        if now < self._next_tick:
            return False
        self._next_tick = now + TICK
        return True

    def _written(self, work: _Work) -> None:
        """Go on from what is on the disk: remember, act, acknowledge."""
        with self._changed:
            # Only now: until it is on the disk it is the next to be written again.
            for _ in work.deliveries:
                self._waiting.popleft()
            make_room = self._asked_to_wait and len(self._waiting) < WAITING_MOST // 2
            if make_room:
                self._asked_to_wait = False
        # Not before the disk has it: a step that is tried again must find its readings
        # new once more, or what they open would be missed.
        self._rules.keep(work.step)
        self._act(work.step)
        # Runs of one source: each has its messages acknowledged in their order.
        for _, group in groupby(work.deliveries, key=lambda each: id(each.source)):
            together = list(group)
            together[0].source.settled(together)
        self._on_written()
        if make_room:
            for callback in self._room_callbacks:
                callback()

    def _wait_for_room(self, why: str) -> None:
        if self.fault is None:
            logger.error(
                "nothing more can be kept (%s): devices are not acknowledged and keep"
                " their data until there is room · 无法继续缓存，设备将自行保留数据",
                why,
            )
        self.fault = why
        with self._changed:
            self._changed.wait(timeout=AGAIN)


def _worth_writing(work: _Work) -> bool:
    # A look at the clock that changed nothing must not wear out a flash disk.
    return bool(work.entry.messages or work.entry.rule_states)
