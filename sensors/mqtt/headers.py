"""Which first bytes a server takes, and what is wrong with the others.

The first byte of a packet tells its type and its flags: most of what an ingest door
refuses is refused by it, before anything is buffered.
"""

from sensors.mqtt.codes import PacketType, ReasonCode
from sensors.mqtt.errors import ProtocolViolated, malformed, protocol_error

__all__ = ["EXPECTED", "refusal"]

_IN_BOTH = {
    0x30,  # PUBLISH, QoS 0
    0x32,  # PUBLISH, QoS 1
    0x3A,  # PUBLISH, QoS 1, sent before
    0x40,  # PUBACK
    0x82,  # SUBSCRIBE
    0xA2,  # UNSUBSCRIBE
    0xC0,  # PINGREQ
    0xE0,  # DISCONNECT
}

# By protocol level, None before the CONNECT. MQTT 3.1.1 has no way of saying that
# nothing is retained, so its retained messages are taken.
EXPECTED: dict[int | None, frozenset[int]] = {
    None: frozenset({0x10}),
    4: frozenset(_IN_BOTH | {0x31, 0x33, 0x3B}),
    5: frozenset(_IN_BOTH),
}

_OF_SERVERS = {
    PacketType.CONNACK,
    PacketType.SUBACK,
    PacketType.UNSUBACK,
    PacketType.PINGRESP,
}
_OF_QOS_2 = {PacketType.PUBREC, PacketType.PUBREL, PacketType.PUBCOMP}


def refusal(first: int, version: int | None) -> ProtocolViolated:
    """Return why a packet that begins with the byte `first` is refused.

    Precondition: ``first not in EXPECTED[version]``.
    """
    kind, flags = first >> 4, first & 0x0F
    # Type 0 is forbidden, and 15 before MQTT 5.0 (§2.1.2).
    if not kind or (kind == PacketType.AUTH and version == 4):
        return malformed(f"packet type {kind} is reserved · 报文类型 {kind} 为保留值")
    packet = PacketType(kind)
    if version is None and packet != PacketType.CONNECT:
        return protocol_error(  # [MQTT-3.1.0-1]
            f"{packet.name} before CONNECT · 在 CONNECT 之前收到 {packet.name}"
        )
    if packet == PacketType.PUBLISH:
        return _publish_refusal(flags)
    if version is not None:
        answer = _misplaced(packet, flags)
        if answer is not None:
            return answer
    return malformed(  # [MQTT-2.1.3-1]
        f"{packet.name} with the reserved flags {flags:#x} · "
        f"{packet.name} 的保留标志位为 {flags:#x}"
    )


def _publish_refusal(flags: int) -> ProtocolViolated:
    qos = flags >> 1 & 3
    if qos == 3:  # [MQTT-3.3.1-4]
        return malformed("PUBLISH with QoS 3 · PUBLISH 的 QoS 为 3")
    if qos == 0 and flags & 8:  # [MQTT-3.3.1-2]
        return malformed("PUBLISH of QoS 0 with DUP · QoS 0 的 PUBLISH 带 DUP 标志")
    if qos == 2:  # [MQTT-3.2.2-11]
        return ProtocolViolated(
            ReasonCode.QOS_NOT_SUPPORTED,
            "QoS 2 is not offered: publish with QoS 1 · 不支持 QoS 2，请用 QoS 1 发布",
        )
    return ProtocolViolated(  # [MQTT-3.2.2-14]
        ReasonCode.RETAIN_NOT_SUPPORTED,
        "nothing is retained here: publish without the retain flag · "
        "此处不保留消息，请去掉保留标志再发布",
    )


def _misplaced(packet: PacketType, flags: int) -> ProtocolViolated | None:
    """Return why `packet` is refused whatever its flags; None where it is not."""
    if packet == PacketType.CONNECT:  # [MQTT-3.1.0-2]
        return protocol_error("a second CONNECT · 重复的 CONNECT")
    if packet in _OF_SERVERS:
        return protocol_error(
            f"{packet.name} is sent by servers only · {packet.name} 只能由服务器发送"
        )
    if packet in _OF_QOS_2:
        return protocol_error(
            f"{packet.name} belongs to QoS 2, which is not offered · "
            f"{packet.name} 属于不支持的 QoS 2"
        )
    if packet == PacketType.AUTH and not flags:  # [MQTT-4.12.0-6]
        return ProtocolViolated(
            ReasonCode.BAD_AUTHENTICATION_METHOD,
            "AUTH is not offered: log in with user name and password · "
            "不支持 AUTH，请用用户名和密码登录",
        )
    return None
