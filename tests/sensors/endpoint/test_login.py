import threading
from collections.abc import Sequence

import pytest

from sensors.endpoint import (
    AuthenticatorUnavailable,
    Endpoint,
    Limits,
    Login,
    Principal,
    Refusal,
    StaticAuthenticator,
)
from sensors.endpoint.connection import Connection
from tests.sensors.conftest import until
from tests.sensors.endpoint.conftest import Listen
from tests.sensors.endpoint.devices import (
    WELCOME,
    Device,
    HeldSink,
    connect_packet,
    connected,
    principals,
    publish_packet,
)


def test_the_right_password_is_let_in(endpoint: Endpoint) -> None:
    with Device(endpoint.port) as device:
        device.send(connect_packet("a"))
        assert device.read() == WELCOME
        until(lambda: endpoint.connections == 1)


@pytest.mark.parametrize("name", ["a", "nobody"])
@pytest.mark.parametrize(("version", "code"), [(4, 4), (5, 0x86)])
def test_a_wrong_password_and_an_unknown_device_are_told_the_same(
    endpoint: Endpoint, name: str, version: int, code: int
) -> None:
    with Device(endpoint.port) as device:
        device.send(connect_packet(name, password=b"wrong", version=version))
        assert device.read()[3] == code
        assert device.closed
    assert endpoint.counts.logins_refused == 1


@pytest.mark.parametrize(("version", "code"), [(4, 4), (5, 0x86)])
def test_a_login_without_user_name_is_refused(
    endpoint: Endpoint, version: int, code: int
) -> None:
    with Device(endpoint.port) as device:
        device.send(connect_packet(None, password=None, version=version))
        assert device.read()[3] == code
        assert device.closed


class Answers:
    """Authenticator with one answer, that can be made to wait."""

    def __init__(self, answer: Principal | Refusal | None) -> None:
        self.answer = answer
        self.go = threading.Event()
        self.batches: list[list[str]] = []

    def authenticate(self, logins: Sequence[Login]) -> list[Principal | Refusal]:
        self.batches.append([login.device_id for login in logins])
        self.go.wait(20)
        if self.answer is None:
            raise AuthenticatorUnavailable("the database is away")
        return [self.answer] * len(logins)


@pytest.mark.parametrize(
    ("answer", "version", "code"),
    [
        (Refusal.NOT_ALLOWED, 4, 5),
        (Refusal.NOT_ALLOWED, 5, 0x87),
        (None, 4, 3),
        (None, 5, 0x88),
    ],
)
def test_refused_and_unavailable_have_their_codes(
    listen: Listen, sink: HeldSink, answer: Refusal | None, version: int, code: int
) -> None:
    authenticator = Answers(answer)
    authenticator.go.set()
    endpoint = listen(sink, authenticator=authenticator)
    with Device(endpoint.port) as device:
        device.send(connect_packet("a", version=version))
        assert device.read()[3] == code
        assert device.closed


def test_logins_gather_while_the_authenticator_is_busy(
    listen: Listen, sink: HeldSink
) -> None:
    authenticator = Answers(Refusal.NOT_ALLOWED)
    endpoint = listen(sink, authenticator=authenticator)
    with (
        Device(endpoint.port) as first,
        Device(endpoint.port) as second,
        Device(endpoint.port) as third,
    ):
        first.send(connect_packet("a"))
        until(lambda: authenticator.batches == [["a"]])
        second.send(connect_packet("b"))
        third.send(connect_packet("c"))
        # Once these are answered, the loop has seen both CONNECTs.
        with Device(endpoint.port) as refused:
            refused.send(connect_packet(None, password=None))
            assert refused.read()[3] == 4
        authenticator.go.set()
        assert [device.read()[3] for device in (first, second, third)] == [5, 5, 5]
    asked = [name for batch in authenticator.batches for name in batch]
    assert sorted(asked) == ["a", "b", "c"]
    assert len(authenticator.batches) == 2


def test_a_login_that_nobody_answers_is_told_to_try_again(
    listen: Listen, sink: HeldSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sensors.endpoint.connection.ANSWER_SECONDS", 0.1)
    authenticator = Answers(Principal("a", "f1"))
    endpoint = listen(sink, authenticator=authenticator)
    with Device(endpoint.port) as device:
        device.send(connect_packet("a"))
        assert device.read()[3] == 3
        assert device.closed
    # The late answer lets nobody in.
    authenticator.go.set()
    until(lambda: endpoint.counts.logins_refused == 1)
    assert endpoint.connections == 0


def test_what_is_sent_behind_a_connect_waits_for_the_answer(
    listen: Listen, sink: HeldSink
) -> None:
    authenticator = Answers(Principal("a", "f1"))
    endpoint = listen(sink, authenticator=authenticator)
    with Device(endpoint.port) as device:
        message = publish_packet("farm/f1/a/up", packet_id=1)
        device.send(connect_packet("a"), message)
        until(lambda: bool(authenticator.batches))
        assert sink.taken == []
        device.send(publish_packet("farm/f1/a/up", b"second", packet_id=2))
        authenticator.go.set()
        until(lambda: sink.payloads == [b"x", b"second"])


def test_nothing_is_taken_from_a_device_that_was_refused(
    endpoint: Endpoint, sink: HeldSink
) -> None:
    with Device(endpoint.port) as device:
        message = publish_packet("farm/f1/a/up", packet_id=1)
        device.send(connect_packet("a", password=b"wrong"), message)
        assert device.read()[3] == 4
        assert device.closed
    assert sink.taken == []


def test_too_many_failures_lock_the_name_out_from_this_address(
    listen: Listen, sink: HeldSink
) -> None:
    endpoint = listen(sink, limits=Limits(login_failures=2))
    for _ in range(2):
        with Device(endpoint.port) as device:
            device.send(connect_packet("a", password=b"wrong", version=5))
            assert device.read()[3] == 0x86
    with Device(endpoint.port) as device:
        device.send(connect_packet("a", version=5))
        assert device.read()[3] == 0x9F
    assert endpoint.counts.locked_out == 1
    connected(endpoint.port, "b").socket.close()


def test_refused_logins_of_an_address_are_told_once(
    endpoint: Endpoint, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("a", "nobody", "else"):
        with Device(endpoint.port) as device:
            device.send(connect_packet(name, password=b"wrong"))
            assert device.closed
    told = [r.getMessage() for r in caplog.records if r.levelname == "WARNING"]
    assert told == ["login refused: credentials ('a' from 127.0.0.1)"]


def test_a_connection_without_connect_is_closed(listen: Listen, sink: HeldSink) -> None:
    endpoint = listen(sink, limits=Limits(connect_seconds=0.1))
    with Device(endpoint.port) as device, connected(endpoint.port) as other:
        assert device.closed
        other.send(publish_packet("farm/f1/a/up"))
        until(lambda: sink.count("a") == 1)
    assert endpoint.counts.timeouts == 1


def test_a_fault_of_one_look_does_not_end_the_looking(
    listen: Listen, sink: HeldSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = iter([True])

    def faulty(connection: Connection, now: float) -> None:
        if next(looks, False):
            raise ZeroDivisionError
        check(connection, now)

    check = Connection.check
    monkeypatch.setattr(Connection, "check", faulty)
    endpoint = listen(sink, limits=Limits(connect_seconds=0.1))
    with Device(endpoint.port) as device:
        assert device.closed
    assert next(looks, None) is None


def test_a_crowd_without_connect_leaves_room_for_devices(
    listen: Listen, sink: HeldSink
) -> None:
    endpoint = listen(sink, limits=Limits(strangers_per_address=3))
    with connected(endpoint.port, "a"), connected(endpoint.port, "b"):
        crowd = [Device(endpoint.port) for _ in range(8)]
        until(lambda: endpoint.counts.connections_refused == 5)
        for stranger in crowd[3:]:
            assert stranger.closed
        for stranger in crowd:
            stranger.socket.close()
        assert endpoint.connections == 2
    with Device(endpoint.port) as late:
        until(lambda: endpoint.connections == 0)
        late.send(connect_packet("c"))
        assert late.read() == WELCOME


def test_more_connections_than_the_limit_are_closed(
    listen: Listen, sink: HeldSink
) -> None:
    endpoint = listen(sink, limits=Limits(connections=1))
    with connected(endpoint.port, "a"), Device(endpoint.port) as second:
        assert second.closed
        assert endpoint.connections == 1


def test_a_static_authenticator_knows_its_devices() -> None:
    authenticator: StaticAuthenticator = principals()
    logins = [
        Login("a", "", b"right", ""),
        Login("a", "", b"", ""),
        Login("x", "", b"", ""),
    ]
    assert authenticator.authenticate(logins) == [
        Principal("a", "f1"),
        Refusal.CREDENTIALS,
        Refusal.CREDENTIALS,
    ]


def test_a_login_does_not_show_its_password() -> None:
    assert "secret" not in repr(Login("a", "a", b"secret", "127.0.0.1"))
