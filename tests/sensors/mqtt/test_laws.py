"""What holds for every stream of bytes: Hypothesis looks for one for which it does not.

The streams are valid ones of both versions, with the events they mean, and the same
cut, mutated and mixed with noise.
"""

import itertools
import struct
import sys

from hypothesis import given, settings
from hypothesis import strategies as st

from sensors.mqtt import (
    Connect,
    Disconnect,
    Event,
    Failed,
    Ping,
    PubAck,
    Publish,
    ReasonCode,
    ServerConnection,
    Subscribe,
    Unsubscribe,
)
from tests.sensors.mqtt.client_side import (
    connect,
    connected,
    field,
    packet,
    properties,
    publish,
)

Sent = tuple[bytes, Event]

untimed = settings(deadline=None)

LARGEST = 300
# A bytearray reserves an eighth more than it holds, and has a head.
BEGINNING = LARGEST * 9 // 8 + 100
# The last topic, of at most 200 bytes: as bytes, and as text of four bytes a character.
TOPIC = 2 * 200 + 200

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
NAMES = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0+#"),
    min_size=1,
    max_size=10,
)
FILTERS = st.lists(NAMES.filter(lambda name: not name.startswith("$")), min_size=1)
IDENTIFIERS = st.integers(1, 65_535)
NUMBERS = st.integers(1, 0xFFFFFFFF)
VERSIONS = st.sampled_from([4, 5])


@st.composite
def user_properties(draw: st.DrawFn) -> bytes:
    pairs = draw(st.lists(st.tuples(NAMES, NAMES), max_size=2))
    return b"".join(b"\x26" + field(key) + field(value) for key, value in pairs)


@st.composite
def publishes(draw: st.DrawFn, version: int) -> Sent:
    topic, payload = draw(NAMES), draw(st.binary(max_size=150))
    packet_id = draw(st.none() | IDENTIFIERS)
    dup = packet_id is not None and draw(st.booleans())
    retain = version == 4 and draw(st.booleans())
    qos = 0 if packet_id is None else 1
    sent = publish(
        version,
        topic,
        payload,
        packet_id=packet_id,
        flags=dup << 3 | qos << 1 | retain,
        having=draw(user_properties()),
    )
    return sent, Publish(topic, payload, qos, packet_id, retain, dup)


@st.composite
def connects(draw: st.DrawFn, version: int) -> Sent:
    client_id, keep_alive = draw(TEXT), draw(st.integers(0, 65_535))
    username = draw(st.none() | TEXT)
    password = None if username is None else draw(st.none() | st.binary())
    expiry, largest = draw(NUMBERS), draw(NUMBERS)
    flags = 2 | (username is not None) << 7 | (password is not None) << 6
    sent = connect(
        version,
        flags=flags,
        keep_alive=keep_alive,
        having=b"\x11"
        + struct.pack(">I", expiry)
        + b"\x27"
        + struct.pack(">I", largest),
        payload=field(client_id)
        + (b"" if username is None else field(username))
        + (b"" if password is None else field(password)),
    )
    event = Connect(client_id, username, password, True, keep_alive, version)
    if version == 5:
        event.session_expiry, event.maximum_packet_size = expiry, largest
    return sent, event


@st.composite
def others(draw: st.DrawFn, version: int) -> Sent:
    identifier, filters = draw(IDENTIFIERS), draw(FILTERS)
    head = struct.pack(">H", identifier)
    none = properties(version)
    asked = b"".join(field(name) + b"\1" for name in filters)
    dropped = b"".join(field(name) for name in filters)
    pairs = [(name, 1) for name in filters]
    choices: list[Sent] = [
        (packet(0x40, head), PubAck(identifier, ReasonCode.SUCCESS)),
        (packet(0x82, head, none, asked), Subscribe(identifier, pairs)),
        (packet(0xA2, head, none, dropped), Unsubscribe(identifier, filters)),
        (b"\xc0\0", Ping()),
    ]
    return draw(st.sampled_from(choices))


@st.composite
def sessions(draw: st.DrawFn) -> tuple[bytes, list[Event]]:
    """What a client sends from CONNECT to DISCONNECT, and what it means."""
    version = draw(VERSIONS)
    between = draw(st.lists(publishes(version) | others(version), max_size=8))
    sent = [draw(connects(version)), *between, (b"\xe0\0", Disconnect())]
    return b"".join(data for data, _ in sent), [event for _, event in sent]


@st.composite
def mutants(draw: st.DrawFn) -> bytes:
    """A session with bytes changed, put in, and left out."""
    data = bytearray(draw(sessions())[0])
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, max(0, len(data) - 1)))
        data[at : at + draw(st.integers(0, 2))] = draw(st.binary(max_size=3))
    return bytes(data)


def fed(connection: ServerConnection, data: bytes, cuts: list[int]) -> list[Event]:
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    parts = [data[a:b] for a, b in itertools.pairwise(edges)]
    return [event for part in parts for event in connection.receive(part)]


@untimed
@given(sessions())
def test_what_is_written_is_read(session: tuple[bytes, list[Event]]) -> None:
    data, events = session
    assert ServerConnection().receive(data) == events


@untimed
@given(mutants(), st.lists(st.integers(0, 10_000), max_size=30))
def test_any_split_gives_the_same_events(data: bytes, cuts: list[int]) -> None:
    assert fed(ServerConnection(), data, cuts) == ServerConnection().receive(data)


@untimed
@given(mutants() | st.binary(max_size=400), VERSIONS)
def test_no_more_is_kept_than_the_largest_packet(data: bytes, version: int) -> None:
    connection = connected(version, maximum_packet_size=LARGEST)
    empty = kept(connection)
    for at in range(len(data)):
        connection.receive(data[at : at + 1])
        assert kept(connection) - empty < BEGINNING + TOPIC


@untimed
@given(st.binary(max_size=400), VERSIONS)
def test_noise_gives_at_most_one_failure_and_last(data: bytes, version: int) -> None:
    events = connected(version).receive(data)
    assert not any(isinstance(event, Failed) for event in events[:-1])


def kept(connection: ServerConnection) -> int:
    """Bytes of a connection and of all that only it holds."""
    return sys.getsizeof(connection) + sum(
        sys.getsizeof(value)
        for value in (getattr(connection, name) for name in connection.__slots__)
        if isinstance(value, str | bytes | bytearray)
    )


def test_idle_connection_is_small() -> None:
    connection = connected(5)
    connection.receive(publish(5, "farm/a/collar-0001/up", b"x" * 120))
    assert kept(connection) < 512


def test_long_topic_is_not_kept() -> None:
    connection = connected(5)
    before = kept(connection)
    topic = "\U0001f404" * 10_000
    [event] = connection.receive(publish(5, topic))
    assert isinstance(event, Publish)
    assert event.topic == topic
    assert kept(connection) == before


def test_incomplete_packet_is_let_go_with_its_end() -> None:
    connection = connected(4)
    before = kept(connection)
    data = publish(4, "farm/a/collar-7/up", b"x" * 50_000)
    assert connection.receive(data[:-1]) == []
    assert kept(connection) > 50_000
    assert len(connection.receive(data[-1:])) == 1
    assert kept(connection) < before + 300
