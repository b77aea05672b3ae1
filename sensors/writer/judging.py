"""From the bytes of a batch to columns of rows, each message whole or not at all."""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from sensors.delivery import Delivery
from sensors.errors import PayloadInvalid
from sensors.formats import decode
from sensors.uplink import Measurement, Uplink
from sensors.writer.chunk import Chunk, Stated
from sensors.writer.registry import Known, Registry
from store.ledger import NO_SEQ, NO_TIME, UNKNOWN_DEVICE
from store.readings import Batch

__all__ = ["NOT_EVALUATED", "judge"]

# QARTOD flag of a reading that no quality test has seen yet.
NOT_EVALUATED: Final = 2
# Topics of LoRaWAN network servers. What their decoders add to the readings (modes,
# checksums, settings) is none of the device's making, and no reason to refuse these.
_DECODED: Final = ("application/", "v3/")


def judge(registry: Registry, deliveries: Sequence[Delivery]) -> Chunk:
    """Decode messages and find the streams of what they say.

    Parameters
    ----------
    registry
        Where the devices are known; asked at most once for all messages together.
    deliveries
        In order of arrival.

    Raises
    ------
    DatabaseUnavailable
        The database is away.
    """
    columns = _Columns(deliveries, registry.known, stale=registry.stale)
    if columns.strange:
        # New, or perhaps changed since they were read. Reading all messages again is
        # cheaper than keeping what they say: the collector would walk through it.
        registry.read(columns.strange | columns.aged)
        columns = _Columns(deliveries, registry.known, stale=registry.stale)
    elif columns.aged:
        registry.read(columns.aged)
    registry.tell_left_out(columns.left_out)
    return columns.chunk()


class _Columns:
    """Lists that grow message by message; the innermost loop of the ingest.

    ``strange`` are devices that are not known, or that a message did not fit; ``aged``
    are those read before `stale`. ``left_out`` are pairs of a device and a name that a
    network server decoded and the device does not have.
    """

    def __init__(
        self,
        deliveries: Sequence[Delivery],
        known: Mapping[str, Known],
        *,
        stale: float,
    ) -> None:
        self._deliveries = deliveries
        self._known = known
        self._stale = stale
        self._faults: dict[int, str] = {}
        self._stated: list[Stated] = []
        # By entry; no list of tuples, which the collector would walk through.
        self._message: list[int] = []
        self._device: list[int] = []
        self._seq: list[int] = []
        self._newest: list[int] = []
        self._rows: list[int] = []
        self._correction: list[bool] = []
        # By row.
        self._streams: list[int] = []
        self._times: list[int] = []
        self._values: list[float] = []
        self.strange: set[str] = set()
        self.aged: set[str] = set()
        self.left_out: set[tuple[str, str]] = set()
        for index, delivery in enumerate(deliveries):
            self._add(index, delivery)

    def _add(self, index: int, delivery: Delivery) -> None:
        uplinks: list[Uplink] = []
        # Where to cut: a message of many devices is taken whole or not at all.
        entries, rows = len(self._message), len(self._streams)
        try:
            uplinks = decode(
                delivery.topic,
                delivery.payload,
                delivery.received_us,
                publisher=delivery.device_id,
            )
            for uplink in uplinks:
                self._take(index, uplink, delivery)
        except PayloadInvalid as error:
            self._cut(entries, rows)
            self._refuse(index, error, uplinks)

    def _take(self, index: int, uplink: Uplink, delivery: Delivery) -> None:
        farm = delivery.farm
        known = self._known.get(uplink.device_id)
        if known is None:
            raise PayloadInvalid(
                f"device {uplink.device_id[:80]!r} is unknown · 设备未登记"
            )
        if (
            known.refused
            or (uplink.farm is not None and uplink.farm != known.farm)
            or (farm is not None and farm != known.farm)
        ):
            raise self._no_right(uplink, known, farm)
        if known.read_at < self._stale:
            self.aged.add(uplink.device_id)
        routes = known.routes
        streams, times, values = self._streams, self._times, self._values
        newest, rows = NO_TIME, len(streams)
        measurements = uplink.measurements
        # A LoRaWAN codec says more than there is to measure; elsewhere it is a mistake.
        if delivery.topic.startswith(_DECODED):
            measurements = self._had(known, uplink)
        for name, unit, time_us, value in measurements:
            # Every reading comes through here: one look-up, and no call, for a plain
            # one.
            route = routes.get(name if unit is None else (name, unit))
            stream_id, convert = route or known.route(name, unit)
            if convert is not None:
                stream_id, value = convert(time_us, value)
            streams.append(stream_id)
            times.append(time_us)
            values.append(value)
            if time_us > newest:
                newest = time_us
        if uplink.report is not None:
            newest = max(newest, uplink.report.time_us)
            self._stated.append(
                Stated(len(self._message), known.device.device_id, uplink.report)
            )
        self._enter(index, known.number, uplink.seq, newest)
        self._rows.append(len(streams) - rows)
        self._correction.append(uplink.correction)

    def _had(self, known: Known, uplink: Uplink) -> Sequence[Measurement]:
        """Return the measurements that the device has, or all where it has none."""
        found = [m for m in uplink.measurements if known.has(m.name)]
        if not found or len(found) == len(uplink.measurements):
            return uplink.measurements
        # Looked up again: a stream may have been added since.
        self.strange.add(uplink.device_id)
        self.left_out.update(
            (known.device.device_id, m.name)
            for m in uplink.measurements
            if not known.has(m.name)
        )
        return found

    def _enter(self, index: int, device: int, seq: int | None, time_us: int) -> None:
        self._message.append(index)
        self._device.append(device)
        self._seq.append(NO_SEQ if seq is None else seq)
        self._newest.append(time_us)

    def _no_right(
        self, uplink: Uplink, known: Known, farm: str | None
    ) -> PayloadInvalid:
        name = uplink.device_id
        if known.refused:
            return PayloadInvalid(f"device {name!r} is disabled · 设备已停用")
        named = uplink.farm if uplink.farm != known.farm else farm
        return PayloadInvalid(
            f"device {name!r} is not of farm {named or farm!r} · 设备不属于该农场"
        )

    def _cut(self, entries: int, rows: int) -> None:
        """Take back what a message that is refused has added."""
        for column in (self._message, self._device, self._seq, self._newest):
            del column[entries:]
        del self._rows[entries:], self._correction[entries:]
        del self._streams[rows:], self._times[rows:], self._values[rows:]
        while self._stated and self._stated[-1].entry >= entries:
            self._stated.pop()

    def _refuse(
        self, index: int, error: PayloadInvalid, uplinks: Sequence[Uplink]
    ) -> None:
        self._faults[index] = error.reason
        self.strange.update(uplink.device_id for uplink in uplinks)
        first = uplinks[0] if uplinks else None
        # A message that nobody can read still counts for who published it.
        name = first.device_id if first else self._deliveries[index].device_id
        known = self._known.get(name) if name is not None else None
        if known is None and name is not None:
            self.strange.add(name)
        time_us = NO_TIME
        if first is not None and first.measurements:
            time_us = first.measurements[0].time_us
        # With its number: it came, so it is no gap in the sequence.
        self._enter(
            index,
            UNKNOWN_DEVICE if known is None else known.number,
            first.seq if first else None,
            time_us,
        )
        self._rows.append(0)
        self._correction.append(False)

    def chunk(self) -> Chunk:
        """Return the columns as arrays."""
        message = np.array(self._message, np.int32)
        rows = np.array(self._rows, np.int64)
        received = np.fromiter(
            (d.received_us for d in self._deliveries), np.int64, len(self._deliveries)
        )
        batch = Batch(
            stream_id=np.array(self._streams, np.int32),
            time_us=np.array(self._times, np.int64),
            value=np.array(self._values, np.float64),
            flag=np.full(len(self._streams), NOT_EVALUATED, np.int16),
            received_us=np.repeat(received[message], rows),
            correction=np.repeat(np.array(self._correction, np.bool_), rows),
        )
        return Chunk(
            deliveries=self._deliveries,
            faults=self._faults,
            message=message,
            device=np.array(self._device, np.int32),
            seq=np.array(self._seq, np.int64),
            time_us=np.array(self._newest, np.int64),
            rows=rows,
            batch=batch,
            stated=self._stated,
        )
