"""A valve in the store, and a courier that keeps what it is given."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sensors.commands import Dispatcher, order
from store import Store, commands, devices
from store.commands import Command, Value
from store.devices import Device

START = datetime(2026, 7, 1, 8, tzinfo=UTC)


class Courier:
    """Sessions of the devices in `here`; a real Protocol member, not a stand-in."""

    def __init__(self) -> None:
        self.here: set[str] = set()
        self.messages: list[tuple[str, str, dict[str, Any]]] = []
        self.tokens: list[object] = []

    def send(self, device_id: str, topic: str, payload: bytes, *, token: Any) -> bool:
        if device_id not in self.here:
            return False
        self.messages.append((device_id, topic, json.loads(payload)))
        self.tokens.append(token)
        return True


class Field:
    """Valves of one farm, a clock in seconds since `START`, and a dispatcher."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.second = 0.0
        self.courier = Courier()
        self.dispatcher = self.another()

    def another(self) -> Dispatcher:
        return Dispatcher(
            self.store, [self.courier], period=0.01, pause=15, away=10, clock=self.now
        )

    def now(self) -> datetime:
        return START + timedelta(seconds=self.second)

    def add(self, device_id: str, kind: str = "valve") -> None:
        device = Device(
            device_id=device_id,
            farm="meadow",
            name_zh="阀",
            name_en="Valve",
            kind=kind,
            lon=125.0,
            lat=44.0,
            county=None,
            simulated=False,
            created_at=START,
        )
        with self.store.connection() as conn:
            devices.add(conn, device, [])

    def order(
        self,
        command_id: str = "c1",
        desired: Mapping[str, Value] | None = None,
        *,
        device_id: str = "valve-1",
        force: bool = True,
        valid_s: int = 60,
    ) -> Command:
        with self.store.connection() as conn:
            return order(
                conn,
                device_id=device_id,
                desired=desired or {"valve": "open"},
                command_id=command_id,
                by="Li",
                at=self.now(),
                valid_s=valid_s,
                force=force,
            )[0]

    def report(
        self,
        state: Mapping[str, Value],
        command_id: str | None = None,
        *,
        second: float | None = None,
        device_id: str = "valve-1",
    ) -> bool:
        received_us = round(self.now().timestamp() * 1_000_000)
        at = START + timedelta(seconds=self.second if second is None else second)
        with self.store.connection() as conn:
            return commands.report(
                conn,
                device_id=device_id,
                time_us=round(at.timestamp() * 1_000_000),
                received_us=received_us,
                state=state,
                command_id=command_id,
            )

    def dispatch(self, second: float) -> None:
        self.second = second
        self.dispatcher.dispatch()

    def state(self, command_id: str = "c1") -> str:
        with self.store.connection() as conn:
            return commands.get(conn, command_id).state

    def told(self, command_id: str = "c1") -> list[tuple[str, str]]:
        with self.store.connection() as conn:
            return [(c.state, c.by) for c in commands.history(conn, command_id)]


@pytest.fixture
def field(store: Store) -> Field:
    field = Field(store)
    field.add("valve-1")
    return field
