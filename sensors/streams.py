"""Which stream each reading belongs to, remembered between batches."""

from dataclasses import dataclass
from datetime import datetime

from sensors.errors import PayloadInvalid
from sensors.payload import Message
from store import DeviceUnknown, Store, devices
from store.readings import ReadingRow

# QARTOD flag of a reading that no quality test has seen yet.
NOT_EVALUATED = 2


@dataclass(frozen=True, slots=True)
class _Entry:
    farm: str
    streams: dict[str, int]

    def fits(self, message: Message) -> bool:
        return self.farm == message.farm and all(
            name in self.streams for name, _ in message.readings
        )


class Streams:
    """Finds streams by device and quantity.

    What does not fit is looked up again, at most once per device and batch: a device or
    a quantity added while running works, and a flood of unknown names stays cheap.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known: dict[str, _Entry] = {}
        self._fresh: set[str] = set()

    def start_batch(self) -> None:
        """Allow every device to be looked up once more."""
        self._fresh.clear()

    def forget(self) -> None:
        """Look every device up again: the store refused what was remembered."""
        self._known.clear()
        self._fresh.clear()

    def rows(self, message: Message, received_at: datetime) -> tuple[ReadingRow, ...]:
        """Turn a message into rows, flag 2 (not evaluated).

        Raises
        ------
        PayloadInvalid
            The device is unknown or of another farm, or has no stream of a quantity.
        DatabaseUnavailable
            The database is away.
        """
        entry = self._entry(message)
        if entry is None:
            raise PayloadInvalid(f"device {message.device_id!r} is unknown")
        if entry.farm != message.farm:
            raise PayloadInvalid(
                f"device {message.device_id!r} is not of farm {message.farm!r}"
            )
        for name, _ in message.readings:
            if name not in entry.streams:
                raise PayloadInvalid(
                    f"device {message.device_id!r} has no quantity {name[:80]!r}"
                )
        return tuple(
            ReadingRow(
                stream_id=entry.streams[name],
                time=message.time,
                value=value,
                flag=NOT_EVALUATED,
                received_at=received_at,
            )
            for name, value in message.readings
        )

    def _entry(self, message: Message) -> _Entry | None:
        entry = self._known.get(message.device_id)
        if entry is not None and entry.fits(message):
            return entry
        # Once in a batch is enough: the store does not change faster.
        if message.device_id not in self._fresh:
            self._look_up(message.device_id)
            self._fresh.add(message.device_id)
        return self._known.get(message.device_id)

    def _look_up(self, device_id: str) -> None:
        # Dropped first: a device that was removed must not stay known.
        self._known.pop(device_id, None)
        with self._store.connection() as conn:
            try:
                device = devices.get(conn, device_id)
            except DeviceUnknown:
                return
            streams = devices.streams(conn, device_id)
        self._known[device_id] = _Entry(
            farm=device.farm,
            # Ordered by id: a device that moved to another thing reports on the newest.
            streams={stream.quantity: stream.stream_id for stream in streams},
        )
