"""The fields that packets are made of (MQTT 5.0 §1.5)."""

from sensors.mqtt.errors import ProtocolViolated, malformed

__all__ = [
    "Reader",
    "bad_length",
    "binary_field",
    "decoded",
    "text_field",
    "variable_field",
]

LONGEST_VARIABLE = 4
LONGEST_FIELD = 65_535


class Reader:
    """Reads one packet, field by field, and never beyond its end.

    Every method raises `ProtocolViolated` where the packet ends within the field.
    """

    __slots__ = ("_at", "_data", "_stop")

    def __init__(self, data: bytes, at: int, stop: int) -> None:
        self._data = data
        self._at = at
        self._stop = stop

    def __bool__(self) -> bool:
        """Whether anything is left."""
        return self._at < self._stop

    def take(self, count: int) -> bytes:
        """Return the next `count` bytes."""
        start, self._at = self._at, self._at + count
        if self._at > self._stop:
            raise malformed(
                f"a packet ends {self._at - self._stop} bytes before its last field · "
                f"报文在最后一个字段之前就结束了，缺 {self._at - self._stop} 字节"
            )
        return self._data[start : self._at]

    def rest(self) -> bytes:
        """Return all that is left."""
        return self.take(self._stop - self._at)

    def byte(self) -> int:
        """Return one byte."""
        return self.take(1)[0]

    def two_bytes(self) -> int:
        """Return a Two Byte Integer, most significant byte first (§1.5.2)."""
        return int.from_bytes(self.take(2))

    def four_bytes(self) -> int:
        """Return a Four Byte Integer (§1.5.3)."""
        return int.from_bytes(self.take(4))

    def variable(self) -> int:
        """Return a Variable Byte Integer, at most 268,435,455 (§1.5.5)."""
        value = 0
        for place in range(LONGEST_VARIABLE):
            byte = self.byte()
            value |= (byte & 0x7F) << 7 * place
            if byte < 0x80:
                if place and not byte:  # [MQTT-1.5.5-1]
                    break
                return value
        raise bad_length()

    def binary(self) -> bytes:
        """Return Binary Data: a length of two bytes and as many bytes (§1.5.6)."""
        return self.take(self.two_bytes())

    def text(self) -> str:
        """Return a UTF-8 Encoded String (§1.5.4)."""
        return decoded(self.binary())

    def pair(self) -> tuple[str, str]:
        """Return a UTF-8 String Pair (§1.5.7)."""
        return self.text(), self.text()

    def part(self, length: int) -> "Reader":
        """Return a reader of the next `length` bytes, which are taken here."""
        start = self._at
        self.take(length)
        return Reader(self._data, start, self._at)

    def end(self) -> None:
        """Make sure that nothing is left."""
        if self:
            raise malformed(
                f"{self._stop - self._at} bytes follow the last field of a packet · "
                f"报文最后一个字段之后还有 {self._stop - self._at} 字节"
            )


def decoded(data: bytes) -> str:
    """Return the text of a string field.

    Raises
    ------
    ProtocolViolated
        Not well-formed UTF-8, surrogates included [MQTT-1.5.4-1], or with U+0000
        [MQTT-1.5.4-2].
    """
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise malformed(
            f"a string is not UTF-8 from its byte {error.start} on · "
            f"字符串从第 {error.start} 字节起不是有效的 UTF-8"
        ) from error
    if "\0" in text:
        raise malformed("a string contains U+0000 · 字符串含有 U+0000")
    return text


def bad_length() -> ProtocolViolated:
    """Return the error of a Variable Byte Integer that is none [MQTT-1.5.5-1]."""
    return malformed(
        "a length is written with more bytes than it needs or than 4 · "
        "长度字段的字节数超过所需或超过 4 个"
    )


def variable_field(value: int) -> bytes:
    """Return a Variable Byte Integer (§1.5.5); `value` is at most 268,435,455."""
    field = bytearray()
    while value > 0x7F:
        field.append(value & 0x7F | 0x80)
        value >>= 7
    field.append(value)
    return bytes(field)


def binary_field(data: bytes) -> bytes:
    """Return Binary Data (§1.5.6).

    Raises
    ------
    ValueError
        Longer than 65,535 bytes.
    """
    if len(data) > LONGEST_FIELD:
        raise ValueError(
            f"a field of {len(data)} bytes does not fit into MQTT's {LONGEST_FIELD} · "
            f"字段长 {len(data)} 字节，超过 MQTT 的上限 {LONGEST_FIELD}"
        )
    return len(data).to_bytes(2) + data


def text_field(text: str) -> bytes:
    """Return a UTF-8 Encoded String (§1.5.4); raises as `binary_field`."""
    return binary_field(text.encode())
