"""Which stream a measurement belongs to, and in which unit it is kept: remembered.

Devices are looked up in the store when a batch first names them, all of a batch in one
query, and again when a message does not fit what is remembered or when that is older
than `REFRESH_SECONDS`. So a device that is added, changed or moved while the ingest
runs is known. Names that no device has are not remembered: a flood of them costs one
query a batch and no memory.
"""

import logging
import math
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import groupby
from operator import attrgetter, itemgetter
from typing import Final, NamedTuple

from sensors.errors import PayloadInvalid, UnitUnknown
from sensors.quantities import DEVICE_KINDS
from sensors.units import conversion
from store import Store, devices
from store.devices import Registered, Stream

__all__ = ["REFRESH_SECONDS", "Known", "Profile", "Registry", "Route"]

logger = logging.getLogger(__name__)

REFRESH_SECONDS: Final = 10.0
# Devices remembered at most; about 3 KiB each.
MOST_DEVICES: Final = 100_000
# Spellings of name and unit remembered of one device.
MOST_ROUTES: Final = 1_000
# Names left out that the log has told of.
MOST_TOLD: Final = 10_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)

# From the time and value of a measurement to its stream and the value in its unit.
Converter = Callable[[int, float], tuple[int, float]]


class Route(NamedTuple):
    """The way of a measurement: straight to a stream, or through `convert`."""

    stream_id: int
    convert: Converter | None


class Profile(NamedTuple):
    """What the quality tests need to know of a stream."""

    kind: str
    quantity: str
    partner: int


class Known:
    """A device as last read, with the routes of what it measures.

    ``routes`` is keyed by the name of a measurement, or by the pair of name and unit
    where the device tells the unit.
    """

    __slots__ = (
        "_measured",
        "device",
        "farm",
        "number",
        "read_at",
        "refused",
        "routes",
    )

    def __init__(self, device: Registered, *, read_at: float) -> None:
        self.device = device
        self.number = device.number
        self.farm = device.farm
        self.refused = device.disabled
        self.read_at = read_at
        self.routes: dict[str | tuple[str, str], Route] = {}
        self._measured = _measured(device.streams)

    def route(self, name: str, unit: str | None) -> Route:
        """Find the way of a measurement that has none in `routes` yet.

        Raises
        ------
        PayloadInvalid
            The device has no such quantity, or the unit does not fit it.
        """
        quantity, usual_unit = self._quantity(name)
        streams = self._measured.get(quantity)
        if streams is None:
            raise PayloadInvalid(
                f"device {self.device.device_id!r} has no quantity {name[:80]!r}"
                " · 设备没有此测量项"
            )
        from_unit = unit or usual_unit
        route = _route(streams, *_conversion(name, from_unit, streams[0].unit))
        # Names and units come from the device: it must not fill our memory with them.
        if len(self.routes) < MOST_ROUTES:
            self.routes[name if unit is None else (name, unit)] = route
        return route

    def has(self, name: str) -> bool:
        """Whether the device measures what it calls `name`."""
        return self._quantity(name)[0] in self._measured

    def _quantity(self, name: str) -> tuple[str, str | None]:
        """Return what a name of the device's own means, and in which unit it comes."""
        kind = DEVICE_KINDS.get(self.device.kind)
        base, at, position = name.partition("@")
        if name in self._measured or kind is None or base not in kind.aliases:
            return name, None
        quantity, unit = kind.aliases[base]
        return f"{quantity}{at}{position}", unit


class Registry:
    """The devices of the store, as far as messages have named them; for one thread."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known: dict[str, Known] = {}
        self._profiles: dict[int, Profile] = {}
        self._told: set[tuple[str, str]] = set()

    @property
    def known(self) -> Mapping[str, Known]:
        """The devices known, by the names that messages have called them."""
        return self._known

    @property
    def stale(self) -> float:
        """`time.monotonic` before which a device was read too long ago."""
        return time.monotonic() - REFRESH_SECONDS

    def read(self, names: Collection[str]) -> None:
        """Look devices up, whether they are known or not.

        Raises
        ------
        DatabaseUnavailable
            The database is away.
        """
        with self._store.connection() as conn:
            found = devices.registered(conn, names)
        now = time.monotonic()
        for name in names:
            # Dropped first: a device that was removed must not stay known.
            self._known.pop(name, None)
        while self._known and len(self._known) + len(found) > MOST_DEVICES:
            del self._known[next(iter(self._known))]
        for name, device in found.items():
            self._known[name] = Known(device, read_at=now)
            self._profiles.update(_profiles(device))

    def profile(self, stream_id: int) -> Profile:
        """Return the profile of a stream that a route has led to."""
        return self._profiles[stream_id]

    def tell_left_out(self, names: Collection[tuple[str, str]]) -> None:
        """Log pairs of a device and a name that it does not have, each pair once."""
        new = sorted(set(names) - self._told)[: MOST_TOLD - len(self._told)]
        self._told.update(new)
        for device_id, group in groupby(new, key=itemgetter(0)):
            left_out = ", ".join(repr(name[:80]) for _, name in group)
            logger.warning(
                "device %s: %s left out, no stream of the device has such a name;"
                " add one to keep it · 设备没有这些测量项，未保存",
                device_id,
                left_out,
            )

    def forget(self) -> None:
        """Look every device up again: the store refused what was remembered."""
        self._known.clear()


def _measured(streams: Sequence[Stream]) -> dict[str, tuple[Stream, ...]]:
    """Group streams by the name of what they hold; each group by since, then id."""
    key = attrgetter("quantity", "position", "since", "stream_id")
    return {
        f"{quantity}@{position}" if position else quantity: tuple(group)
        for (quantity, position), group in groupby(
            sorted(streams, key=key), key=attrgetter("quantity", "position")
        )
    }


def _conversion(name: str, unit: str | None, to_unit: str) -> tuple[float, float]:
    if unit is None or unit == to_unit:
        return 1.0, 0.0
    try:
        found = conversion(unit, to_unit)
    except UnitUnknown as error:
        raise PayloadInvalid(f"{name[:80]!r}: {error}") from error
    return found.factor, found.offset


def _route(streams: Sequence[Stream], factor: float, offset: float) -> Route:
    newest = streams[-1].stream_id
    if len(streams) == 1 and (factor, offset) == (1.0, 0.0):
        return Route(newest, None)
    begins = [((s.since - _EPOCH) // _MICROSECOND, s.stream_id) for s in streams]

    def convert(time_us: int, value: float) -> tuple[int, float]:
        value = value * factor + offset
        if not math.isfinite(value):
            raise PayloadInvalid(
                f"a value is too large in the unit {streams[0].unit!r} · 换算后数值过大"
            )
        # By the time of the reading, not by now: late ones go to what was measured
        # then.
        for since_us, stream_id in reversed(begins):
            if since_us <= time_us:
                return stream_id, value
        return begins[0][1], value

    return Route(newest, convert)


def _profiles(device: Registered) -> dict[int, Profile]:
    longitudes = {
        (s.position, s.thing, s.since): s.stream_id
        for s in device.streams
        if s.quantity == "longitude"
    }
    return {
        s.stream_id: Profile(
            device.kind,
            s.quantity,
            longitudes.get((s.position, s.thing, s.since), -1)
            if s.quantity == "latitude"
            else -1,
        )
        for s in device.streams
    }
