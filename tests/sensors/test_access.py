import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import paho.mqtt.client as mqtt
import psycopg
import pytest
from paho.mqtt.enums import CallbackAPIVersion
from psycopg.conninfo import make_conninfo

from sensors import access
from sensors.access import (
    NewCredential,
    RevocationWatch,
    StoreAuthenticator,
    StorePresence,
    new_secret,
)
from sensors.delivery import Delivery
from sensors.endpoint import Endpoint
from sensors.endpoint.authentication import (
    AuthenticatorUnavailable,
    Login,
    Principal,
    Refusal,
)
from sensors.mqtt.codes import ReasonCode
from sensors.passwords import matches
from store import Store, claims, credentials, devices, presence
from store.devices import Device
from tests.sensors.conftest import until

MAY = datetime(2026, 5, 1, tzinfo=UTC)
COLLAR = Device(
    "c1", "f1", "项圈", "Collar", "cattle-collar", 124, 43, None, False, MAY
)
GATEWAY = replace(COLLAR, device_id="g1", gateway=True)
NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)
NOON_US = 1_782_907_200_000_000


@pytest.fixture
def herd(store: Store) -> Store:
    """Store with a collar and a gateway."""
    with store.connection() as conn:
        devices.add(conn, COLLAR, [])
        devices.add(conn, GATEWAY, [])
    return store


def secret_of(store: Store, device_id: str) -> bytes:
    with store.connection() as conn:
        return new_secret(conn, device_id).secret.encode()


def login(device_id: str, password: bytes) -> Login:
    return Login(device_id, "any client id", password, "127.0.0.1")


class Door:
    """Notes who was thrown out."""

    def __init__(self) -> None:
        self.kicked: list[str] = []
        self.reasons: set[ReasonCode] = set()

    def kick(self, device_ids: Sequence[str], reason: ReasonCode) -> None:
        self.kicked += device_ids
        self.reasons.add(reason)


def test_devices_are_answered_in_order(herd: Store) -> None:
    collar, gateway = secret_of(herd, "c1"), secret_of(herd, "g1")
    answers = StoreAuthenticator(herd).authenticate(
        [
            login("g1", gateway),
            login("c1", gateway),
            login("c1", collar),
            login("nobody", collar),
            login("c1", b""),
            login("\ud800\0", b"\xff" * 5000),
        ]
    )
    assert answers == [
        Principal("g1", "f1", gateway=True),
        Refusal.CREDENTIALS,
        Principal("c1", "f1", gateway=False),
        Refusal.CREDENTIALS,
        Refusal.CREDENTIALS,
        Refusal.CREDENTIALS,
    ]


def test_old_and_new_secret_while_rotating(herd: Store) -> None:
    old, new = secret_of(herd, "c1"), secret_of(herd, "c1")
    door = StoreAuthenticator(herd)
    both = [login("c1", old), login("c1", new)]
    assert door.authenticate(both) == [Principal("c1", "f1")] * 2
    with herd.connection() as conn:
        credentials.retire(conn, "c1")
    assert door.authenticate(both) == [Refusal.CREDENTIALS, Principal("c1", "f1")]


def test_revoked_is_refused_at_the_next_connect(herd: Store) -> None:
    secret = secret_of(herd, "c1")
    door = StoreAuthenticator(herd)
    assert door.authenticate([login("c1", secret)]) == [Principal("c1", "f1")]
    with herd.connection() as conn:
        credentials.revoke(conn, "c1")
    assert door.authenticate([login("c1", secret)]) == [Refusal.CREDENTIALS]


def test_disabled_is_refused(herd: Store) -> None:
    secret = secret_of(herd, "c1")
    with herd.connection() as conn:
        devices.disable(conn, "c1")
    answers = StoreAuthenticator(herd).authenticate([login("c1", secret)])
    assert answers == [Refusal.CREDENTIALS]


@pytest.mark.parametrize("device_id", ["c1", "g1", "nobody"])
def test_every_login_costs_two_hashes(
    herd: Store, monkeypatch: pytest.MonkeyPatch, device_id: str
) -> None:
    secret_of(herd, "c1")
    secret_of(herd, "c1")
    secret_of(herd, "g1")
    checked: list[str] = []
    real = matches

    def counting(hashed: str, secret: bytes) -> bool:
        checked.append(hashed)
        return real(hashed, secret)

    monkeypatch.setattr(access, "matches", counting)
    StoreAuthenticator(herd).authenticate([login(device_id, b"guess")])
    assert len(checked) == 2


def test_no_database_is_no_refusal(herd: Store, database_server: str) -> None:
    away = Store(make_conninfo(database_server, dbname="heitu_no_such_database"))
    with away, pytest.raises(AuthenticatorUnavailable, match="数据库"):
        StoreAuthenticator(away).authenticate([login("c1", b"x")])


def test_secret_is_in_no_representation_and_no_log(
    herd: Store, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with herd.connection() as conn:
        credential = new_secret(conn, "c1")
    StoreAuthenticator(herd).authenticate([login("c1", credential.secret.encode())])
    assert credential.secret not in repr(credential)
    assert credential.secret not in caplog.text


def test_claim_gives_a_secret_and_ends_those_before(herd: Store) -> None:
    before = secret_of(herd, "c1")
    with herd.connection() as conn:
        code = claims.make(conn, "c1", valid_for=timedelta(days=1))
        claimed = access.claim(conn, code, hardware_id="hw", address="192.0.2.1")
    assert isinstance(claimed, NewCredential)
    answers = StoreAuthenticator(herd).authenticate(
        [login("c1", before), login("c1", claimed.secret.encode())]
    )
    assert answers == [Refusal.CREDENTIALS, Principal("c1", "f1")]


def test_wrong_claim_changes_nothing(herd: Store) -> None:
    before = secret_of(herd, "c1")
    with herd.connection() as conn:
        wrong = access.claim(conn, "WRONG", hardware_id="hw", address="192.0.2.1")
    assert wrong is None
    answers = StoreAuthenticator(herd).authenticate([login("c1", before)])
    assert answers == [Principal("c1", "f1")]


def test_watch_closes_the_session_of_who_is_revoked(herd: Store) -> None:
    secret_of(herd, "c1")
    secret_of(herd, "g1")
    door = Door()
    with RevocationWatch(herd, door.kick, every=0.01) as watch:
        assert watch.running
        with herd.connection() as conn:
            credentials.revoke(conn, "c1")
        until(lambda: "c1" in door.kicked)
    assert set(door.kicked) == {"c1"}
    assert door.reasons == {ReasonCode.ADMINISTRATIVE_ACTION}
    assert not watch.running


def test_watch_closes_disabled_and_retired(herd: Store) -> None:
    secret_of(herd, "c1")
    secret_of(herd, "c1")
    door = Door()
    watch = RevocationWatch(herd, door.kick)
    watch.look()
    assert door.kicked == []
    with herd.connection() as conn:
        credentials.retire(conn, "c1")
        devices.disable(conn, "g1")
    watch.look()
    assert door.kicked == ["c1", "g1"]


def test_watch_closes_twice_and_no_more(herd: Store) -> None:
    secret_of(herd, "c1")
    door = Door()
    watch = RevocationWatch(herd, door.kick)
    with herd.connection() as conn:
        credentials.revoke(conn, "c1")
    # The second is for a device that was being let in at that moment.
    for _ in range(5):
        watch.look()
    assert door.kicked == ["c1", "c1"]


def test_watch_sees_what_was_committed_late(herd: Store) -> None:
    secret_of(herd, "c1")
    door = Door()
    watch = RevocationWatch(herd, door.kick)
    with herd.connection() as conn:
        credentials.revoke(conn, "c1")
        # Not committed yet, but its time is before this look.
        watch.look()
    assert door.kicked == []
    watch.look()
    assert door.kicked == ["c1"]


def test_watch_outlives_an_absent_database(
    herd: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret_of(herd, "c1")
    door = Door()
    faults = iter([psycopg.InterfaceError("away")] * 3)
    real = credentials.ended

    def failing(
        conn: psycopg.Connection, *, since: datetime | None
    ) -> tuple[datetime, list[credentials.Ended]]:
        if (fault := next(faults, None)) is not None:
            raise fault
        return real(conn, since=since)

    monkeypatch.setattr(credentials, "ended", failing)
    with RevocationWatch(herd, door.kick, every=0.01):
        with herd.connection() as conn:
            credentials.revoke(conn, "c1")
        until(lambda: "c1" in door.kicked)


def found(store: Store, device_id: str = "c1") -> presence.Presence | None:
    with store.connection() as conn:
        return presence.find(conn, ["c1", "g1"]).get(device_id)


def test_presence_follows_a_device(herd: Store) -> None:
    with StorePresence(herd) as door:
        door.connected("c1", NOON_US, "192.0.2.1")
        until(lambda: found(herd) is not None)
        session = found(herd)
        assert session == presence.Presence("c1", "192.0.2.1", NOON, None, None)
        assert session.online
        with herd.connection() as conn:
            assert presence.online(conn) == 1
        door.disconnected("c1", NOON_US + 1_000_000, "keep-alive")
        until(lambda: (s := found(herd)) is not None and not s.online)
    ended = replace(
        session, disconnected_at=NOON + timedelta(seconds=1), reason="keep-alive"
    )
    assert found(herd) == ended


def test_session_taken_over_stays_online(herd: Store) -> None:
    with StorePresence(herd) as door:
        door.connected("c1", NOON_US, "192.0.2.1")
        door.disconnected("c1", NOON_US + 1, "taken over")
        door.connected("c1", NOON_US + 1, "192.0.2.2")
        until(lambda: (s := found(herd)) is not None and s.address == "192.0.2.2")
        session = found(herd)
        assert session is not None
        assert session.online


def test_stop_closes_what_is_open(herd: Store) -> None:
    with StorePresence(herd) as door:
        door.connected("c1", NOON_US, "192.0.2.1")
    session = found(herd)
    assert session is not None
    assert (session.online, session.reason) == (False, "listener stopped")


def test_start_closes_what_a_killed_process_left(herd: Store) -> None:
    left = presence.Presence("c1", "192.0.2.1", NOON, None, None)
    other = replace(left, device_id="g1")
    with herd.connection() as conn:
        presence.record(conn, [left], listener="endpoint")
        presence.record(conn, [other], listener="second")
    with StorePresence(herd):
        session, elsewhere = found(herd), found(herd, "g1")
    assert session is not None
    assert (session.online, session.reason) == (False, "listener killed")
    assert elsewhere is not None
    assert elsewhere.online


def test_unknown_device_has_no_presence(herd: Store) -> None:
    with StorePresence(herd) as door:
        door.connected("nobody", NOON_US, "192.0.2.1")
        door.disconnected("nobody", NOON_US, "closed")
        door.disconnected("stranger", NOON_US, "closed")
        door.connected("c1", NOON_US, "192.0.2.1")
        until(lambda: found(herd) is not None)
    with herd.connection() as conn:
        assert presence.find(conn, ["nobody", "stranger"]) == {}


def test_presence_waits_for_the_database(
    herd: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(access, "PAUSE", 0.01)
    faults = iter([psycopg.InterfaceError("away")] * 3)
    real = presence.record

    def failing(
        conn: psycopg.Connection,
        sessions: Sequence[presence.Presence],
        *,
        listener: str,
    ) -> None:
        if (fault := next(faults, None)) is not None:
            raise fault
        real(conn, sessions, listener=listener)

    monkeypatch.setattr(presence, "record", failing)
    with StorePresence(herd) as door:
        door.connected("c1", NOON_US, "192.0.2.1")
        door.connected("g1", NOON_US, "192.0.2.1")
        until(lambda: found(herd) is not None)
        assert found(herd, "g1") is not None


class Nowhere:
    """A sink that these devices send nothing to."""

    def put(self, deliveries: Sequence[Delivery]) -> bool:
        return True

    def on_room(self, callback: Callable[[], None]) -> None:
        pass


def connect(port: int, secret: bytes) -> tuple[mqtt.Client, list[int], list[int]]:
    """Connect a paho client; returns what it is told on entering and on leaving."""
    entered: list[int] = []
    left: list[int] = []
    client = mqtt.Client(
        CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5, reconnect_on_failure=False
    )
    client.username_pw_set("c1", secret.decode())
    client.on_connect = lambda _c, _u, _f, reason, _p: entered.append(reason.value)
    client.on_disconnect = lambda _c, _u, _f, reason, _p: left.append(reason.value)
    client.connect("127.0.0.1", port)
    client.loop_start()
    until(lambda: bool(entered))
    return client, entered, left


def test_revoked_device_is_thrown_out_of_the_endpoint(herd: Store) -> None:
    secret = secret_of(herd, "c1")
    with (
        StorePresence(herd) as known,
        Endpoint(Nowhere(), StoreAuthenticator(herd), port=0, presence=known) as door,
    ):
        with RevocationWatch(herd, door.kick, every=0.01):
            client, entered, left = connect(door.port, secret)
            assert entered == [ReasonCode.SUCCESS]
            until(lambda: (s := found(herd)) is not None and s.online)
            with herd.connection() as conn:
                credentials.revoke(conn, "c1")
            until(lambda: bool(left))
        client.loop_stop()
        assert left == [ReasonCode.ADMINISTRATIVE_ACTION]
        until(lambda: (s := found(herd)) is not None and not s.online)
        again, entered, _ = connect(door.port, secret)
        again.loop_stop()
        assert entered == [ReasonCode.BAD_USER_NAME_OR_PASSWORD]
