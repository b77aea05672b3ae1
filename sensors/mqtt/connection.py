"""The server's side of one MQTT connection: bytes in, events out, no I/O, no clock.

MQTT 3.1.1 and MQTT 5.0, of which an ingest door offers: QoS 0 and 1 in, nothing
retained, no topic aliases, no shared subscriptions. What a client says beyond that, or
against the standard, ends in one `Failed` event with the reason code of MQTT 5.0.
"""

from collections.abc import Sequence

from sensors.mqtt import answers, packets
from sensors.mqtt.codes import PacketType, ReasonCode
from sensors.mqtt.errors import ProtocolViolated, malformed, protocol_error
from sensors.mqtt.events import (
    Connect,
    Disconnect,
    Event,
    Failed,
    Ping,
    Publish,
)
from sensors.mqtt.headers import EXPECTED, refusal
from sensors.mqtt.topics import topic_name
from sensors.mqtt.wire import Reader, bad_length

__all__ = ["ServerConnection"]

# Bytes. A client may write 65,535, and every connection would keep as many.
LONGEST_TOPIC_KEPT = 200


class ServerConnection:
    """What the server knows of one connection; about half a kilobyte when idle.

    Parameters
    ----------
    maximum_packet_size
        Bytes of the largest packet that is taken, header included; a larger one is
        refused by its header, and no more than this is ever kept of an incomplete one.

    Attributes
    ----------
    version
        4 for MQTT 3.1.1, 5 for MQTT 5.0, None until the CONNECT told it.
    """

    __slots__ = (
        "_accepted",
        "_ended",
        "_expected",
        "_largest_out",
        "_needed",
        "_pending",
        "_receive_maximum",
        "_session_expiry",
        "_topic",
        "_topic_field",
        "_unacknowledged",
        "maximum_packet_size",
        "version",
    )

    def __init__(self, *, maximum_packet_size: int = 65_536) -> None:
        self.maximum_packet_size = maximum_packet_size
        self.version: int | None = None
        self._expected = EXPECTED[None]
        self._accepted = False
        self._ended = False
        # The beginning of a packet, and how long it must become to be of use.
        self._pending: bytearray | None = None
        self._needed = 0
        # The last message's topic, and its field as it was on the wire.
        self._topic = ""
        self._topic_field = b""
        self._unacknowledged = 0
        self._receive_maximum = 65_535
        self._session_expiry = 0
        self._largest_out: int | None = None

    def receive(self, data: bytes) -> list[Event]:
        """Return what the client said with `data` and all before; never raises.

        After a `Disconnect` or a `Failed`, which are last in their list, everything
        further is ignored.
        """
        events: list[Event] = []
        if self._ended:
            return events
        if self._pending is not None:
            self._pending += data
            if len(self._pending) < self._needed:
                return events
            data = bytes(self._pending)
            self._pending = None
        try:
            used = self._read(data, events)
        except ProtocolViolated as violation:
            self._ended = True
            events.append(Failed(violation.reason, violation.message))
        else:
            if used < len(data) and not self._ended:
                self._pending = bytearray(data[used:])
        return events

    def _read(self, data: bytes, events: list[Event]) -> int:
        """Append the events of the whole packets in `data`; returns their bytes."""
        at, end = 0, len(data)
        while at < end:
            first = data[at]
            if first not in self._expected:
                raise refusal(first, self.version)
            body = at + 2
            if body > end:
                self._needed = 2
                break
            length = data[at + 1]
            if length > 0x7F:
                length, body = self._long_length(data, at)
                if not body:
                    break
            stop = body + length
            # By its header, before any of it is kept.
            if stop - at > self.maximum_packet_size:
                raise _too_large(stop - at, self.maximum_packet_size)
            if stop > end:
                self._needed = stop - at
                break
            if first & 0xF0 == 0x30:
                events.append(self._publish(data, first, body, stop))
            else:
                events.append(self._other(first >> 4, Reader(data, body, stop)))
                if self._ended:
                    break
            at = stop
        return at

    def _long_length(self, data: bytes, at: int) -> tuple[int, int]:
        """Read a Remaining Length of two to four bytes (§2.1.4).

        Returns
        -------
        length, body
            The length, and where the packet goes on; ``body`` is 0 where `data` ends
            before.
        """
        length, shift = data[at + 1] & 0x7F, 7
        for place, byte in enumerate(data[at + 2 : at + 5], at + 3):
            length |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                if not byte:
                    raise bad_length()
                return length, place
        if shift > 21:
            raise bad_length()
        self._needed = len(data) - at + 1
        return 0, 0

    def _publish(self, data: bytes, first: int, body: int, stop: int) -> Publish:
        """Read a PUBLISH whose flags are checked; every reading comes through here."""
        # Nearly every device publishes to one topic: no need to read it again.
        topic, at = self._topic, body + len(self._topic_field)
        if at > stop or not topic or not data.startswith(self._topic_field, body):
            topic, at = self._new_topic(data, first, body, stop)
        packet_id = None
        if first & 0x02:
            packet_id = int.from_bytes(data[at : at + 2])
            at += 2
            self._unacknowledged += 1
        if at > stop:
            raise malformed("PUBLISH ends in its header · PUBLISH 在报头中就结束了")
        if packet_id == 0 or self._unacknowledged > self._receive_maximum:
            raise _refused_identifier(packet_id, self._receive_maximum)
        if self.version == 4:
            payload = data[at:stop]
        elif at < stop and not data[at]:
            payload = data[at + 1 : stop]
        else:
            payload = packets.publish_properties(Reader(data, at, stop))
        return Publish(
            topic,
            payload,
            0 if packet_id is None else 1,
            packet_id,
            first & 0x01 == 1,
            first & 0x08 == 8,
        )

    def _new_topic(
        self, data: bytes, first: int, body: int, stop: int
    ) -> tuple[str, int]:
        """Read another topic; returns it, and where the packet goes on."""
        reader = Reader(data, body, stop)
        field = reader.binary()
        if not field and self.version == 5:
            # An alias may stand for it, which is refused by its own reason.
            reader.take(first & 0x02)
            packets.publish_properties(reader)
        topic, at = topic_name(field), body + 2 + len(field)
        if len(field) <= LONGEST_TOPIC_KEPT:
            self._topic = topic
            self._topic_field = data[body:at]
        return topic, at

    def _other(self, kind: int, reader: Reader) -> Event:
        version = self.version
        if version is None:
            return self._connect(reader)
        if kind == PacketType.PUBACK:
            return packets.puback(reader, version)
        if kind == PacketType.SUBSCRIBE:
            return packets.subscribe(reader, version)
        if kind == PacketType.UNSUBSCRIBE:
            return packets.unsubscribe(reader, version)
        if kind == PacketType.DISCONNECT:
            return self._disconnect(reader, version)
        reader.end()
        return Ping()

    def _connect(self, reader: Reader) -> Connect:
        level = packets.protocol_level(reader)
        # The highest bit marks a bridge of Mosquitto, which understands both answers.
        self.version = 5 if level & 0x7F >= 5 else 4
        if level not in (4, 5):
            raise packets.unsupported(f"MQTT protocol level {level} · 协议级别 {level}")
        connect = packets.connect(reader, level)
        # From here on a second CONNECT is refused by its first byte.
        self._expected = EXPECTED[level]
        self._session_expiry = connect.session_expiry
        self._largest_out = connect.maximum_packet_size
        return connect

    def _disconnect(self, reader: Reader, version: int) -> Disconnect:
        event = packets.disconnect(reader, version, session_expiry=self._session_expiry)
        self._ended = True
        return event

    def connack(
        self,
        reason: ReasonCode,
        *,
        session_present: bool = False,
        receive_maximum: int = 65_535,
        maximum_packet_size: int | None = None,
        assigned_client_id: str | None = None,
        server_keep_alive: int | None = None,
        reason_string: str | None = None,
    ) -> bytes:
        """Return the answer to the CONNECT.

        In MQTT 5.0 a client that sends more than `receive_maximum` messages of QoS 1
        before they are acknowledged has failed from now on. `maximum_packet_size` in
        bytes and `server_keep_alive` in seconds are what the client is told; None tells
        it the largest packet that is taken here, and to keep its own.

        Returns
        -------
        bytes
            Empty where 3.1.1 has no code for `reason`, where the client spoke no MQTT,
            or where MQTT 5.0's answer is larger than the client takes: close.
        """
        if self.version is None:
            return b""
        if reason == ReasonCode.SUCCESS:
            self._accepted = True
            if self.version == 5:
                self._receive_maximum = receive_maximum
        return self._sendable(
            answers.connack(
                reason,
                self.version,
                session_present=session_present,
                receive_maximum=receive_maximum,
                maximum_packet_size=maximum_packet_size or self.maximum_packet_size,
                assigned_client_id=assigned_client_id,
                server_keep_alive=server_keep_alive,
                reason_string=reason_string,
            )
        )

    def puback(self, packet_id: int, reason: ReasonCode = ReasonCode.SUCCESS) -> bytes:
        """Return the acknowledgement of one message (in 3.1.1 without a reason)."""
        self._unacknowledged -= 1
        return answers.puback(packet_id, reason, self._speaks())

    def pubacks(self, packet_ids: Sequence[int]) -> bytes:
        """Return the acknowledgements of success of many messages, in their order."""
        self._unacknowledged -= len(packet_ids)
        return answers.pubacks(packet_ids)

    def suback(self, packet_id: int, reasons: Sequence[ReasonCode]) -> bytes:
        """Return the answer to a SUBSCRIBE: the granted QoS or a failure a filter."""
        return self._sendable(answers.suback(packet_id, reasons, self._speaks()))

    def unsuback(self, packet_id: int, reasons: Sequence[ReasonCode]) -> bytes:
        """Return the answer to an UNSUBSCRIBE: a reason a filter (none in 3.1.1)."""
        return self._sendable(answers.unsuback(packet_id, reasons, self._speaks()))

    def pingresp(self) -> bytes:
        """Return the answer to a `Ping`."""
        return answers.PINGRESP

    def publish(
        self,
        topic: str,
        payload: bytes,
        *,
        qos: int,
        packet_id: int | None,
        retain: bool = False,
    ) -> bytes:
        """Return a message to the client, with a `packet_id` where `qos` is 1.

        Returns
        -------
        bytes
            Empty where it is larger than the client takes [MQTT-3.1.2-24].

        Raises
        ------
        ValueError
            The topic is longer than 65,535 bytes.
        """
        return self._sendable(
            answers.publish(
                topic,
                payload,
                self._speaks(),
                qos=qos,
                packet_id=packet_id,
                retain=retain,
            )
        )

    def disconnect(self, reason: ReasonCode, reason_string: str | None = None) -> bytes:
        """Return the server's goodbye; empty in 3.1.1, which has none.

        The reason string is left out where the client takes no packet that large.
        """
        version = self._speaks()
        full = self._sendable(answers.disconnect(reason, version, reason_string))
        return full or self._sendable(answers.disconnect(reason, version, None))

    def farewell(self, reason: ReasonCode, reason_string: str | None = None) -> bytes:
        """Return what is to be sent before the server closes, whatever came before.

        A CONNACK before the client was let in, a DISCONNECT after [MQTT-3.14.0-1],
        nothing where there is no such packet.
        """
        if self._accepted:
            return self.disconnect(reason, reason_string)
        full = self.connack(reason, reason_string=reason_string)
        return full or self.connack(reason)

    def _speaks(self) -> int:
        """Return the version; 3.1.1, which says less, where no CONNECT came."""
        return self.version or 4

    def _sendable(self, packet: bytes) -> bytes:
        """Return `packet`, or nothing if the client takes none that large."""
        if self._largest_out is not None and len(packet) > self._largest_out:
            return b""
        return packet


def _too_large(size: int, largest: int) -> ProtocolViolated:
    return ProtocolViolated(
        ReasonCode.PACKET_TOO_LARGE,
        f"a packet of {size} bytes: send at most {largest} · "
        f"报文长 {size} 字节，最多可发送 {largest} 字节",
    )


def _refused_identifier(packet_id: int | None, most: int) -> ProtocolViolated:
    if packet_id == 0:  # [MQTT-2.2.1-3]
        return protocol_error("packet identifier 0 · 报文标识符为 0")
    return ProtocolViolated(  # [MQTT-3.3.4-7]
        ReasonCode.RECEIVE_MAXIMUM_EXCEEDED,
        f"more than {most} messages before they are acknowledged · "
        f"未确认的消息超过 {most} 条",
    )
