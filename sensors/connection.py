"""What the MQTT clients of this room share: connecting, and failing clearly."""

import logging
import threading
from typing import Literal

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from sensors.errors import BrokerUnreachable

logger = logging.getLogger(__name__)

# Some brokers (rumqttd) refuse clients without keepalive.
KEEPALIVE = 30
LONGEST_RECONNECT_DELAY = 10
# Seconds that a broker keeps the session of a client that is away: 0xFFFFFFFF means for
# ever (MQTT 5.0, section 3.1.2.11.2).
FOR_EVER = 0xFFFFFFFF
# MQTT 3.1.1, section 3.2.2.3, as paho calls codes 4 and 5; MQTT 5.0, section 3.2.2.2.
_LOGIN_REFUSED = frozenset({"Bad user name or password", "Not authorized", "Banned"})
# What to do, in English and Chinese, when nothing answers, and when something refuses.
ABSENT = (
    "check that it runs and that the address is right",
    "请检查其是否运行、地址是否正确",
)
REFUSED = (
    "if it asks for a login, give --username and --password-file or"
    " HEITU_MQTT_PASSWORD",
    "如需登录，请检查 --username 与 --password-file 或 HEITU_MQTT_PASSWORD",
)

_paho_logger = logging.getLogger(f"{__name__}.paho")
# The ordinary end of every connection, which paho may report as an error.
_paho_logger.addFilter(
    lambda record: not record.getMessage().startswith("Client is not connected")
)


def new_client(
    client_id: str = "", *, persistent: bool = False, version: Literal[4, 5] = 4
) -> Client:
    """Return an MQTT client that acknowledges by hand and logs its own faults.

    A persistent client needs a `client_id`: the broker keeps its subscription and its
    unacknowledged messages while it is away. In MQTT 5 its connection needs the
    properties `persistent` too.
    """
    client = Client(
        CallbackAPIVersion.VERSION2,
        client_id=client_id,
        # MQTT 5 says this with every connection instead.
        clean_session=not persistent if version == 4 else None,
        protocol=MQTTProtocolVersion(version),
        manual_ack=True,
    )
    # paho reports exceptions raised in callbacks only to its logger.
    client.enable_logger(_paho_logger)
    client.reconnect_delay_set(1, LONGEST_RECONNECT_DELAY)
    return client


def persistent(receive_maximum: int) -> Properties:
    """Return what an MQTT 5 client says to keep its session while it is away.

    Parameters
    ----------
    receive_maximum
        Messages the broker may have under way unacknowledged, 1 to 65,535.
    """
    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    properties.SessionExpiryInterval = FOR_EVER
    properties.ReceiveMaximum = receive_maximum
    return properties


def refused(reason: ReasonCode) -> str:
    """Return what a broker's refusal of a connection means, for `Connecting.failed`."""
    hint = (
        "; the user name or the password is wrong 用户名或密码错误"
        if str(reason) in _LOGIN_REFUSED
        else ""
    )
    return f"connection refused: {reason}{hint}"


class Connecting:
    """Waits until a client is ready, or says why it is not.

    Parameters
    ----------
    client
        Made by `new_client`.
    host, port
        The MQTT broker.
    properties
        Of an MQTT 5 session that is to be kept, by `persistent`.
    hint
        What to do about a refusal, in English and in Chinese.
    """

    def __init__(
        self,
        client: Client,
        *,
        host: str,
        port: int,
        properties: Properties | None = None,
        hint: tuple[str, str] = REFUSED,
    ) -> None:
        self._client = client
        self._properties = properties
        self._hint = hint
        self._address = f"{host}:{port}"
        self._host = host
        self._port = port
        self._settled = threading.Event()
        self._fault: str | None = None

    def ready(self) -> None:
        """Report success, from a callback."""
        self._fault = None
        self._settled.set()

    def failed(self, reason: str) -> None:
        """Report a refusal, from a callback."""
        logger.error("MQTT broker %s: %s", self._address, reason)
        self._fault = reason
        self._settled.set()

    def run(self, *, timeout: float) -> None:
        """Connect, start the network thread, and wait to be told of the outcome.

        Stopping the client after a failure is left to its owner.

        Raises
        ------
        BrokerUnreachable
            Nothing listens there, the broker refuses, or `timeout` seconds pass.
        """
        # The first connection is not retried: a wrong address should be said at once.
        try:
            self._connect()
        except OSError as error:
            raise self._unreachable(str(error)) from error
        self._client.loop_start()
        if not self._settled.wait(timeout):
            raise self._unreachable(f"no answer within {timeout:g} s")
        if self._fault is not None:
            raise self._unreachable(self._fault, self._hint)

    def _connect(self) -> None:
        if self._properties is None:
            self._client.connect(self._host, self._port, keepalive=KEEPALIVE)
        else:
            self._client.connect(
                self._host,
                self._port,
                keepalive=KEEPALIVE,
                clean_start=False,
                properties=self._properties,
            )

    def _unreachable(
        self, reason: str, hint: tuple[str, str] = ABSENT
    ) -> BrokerUnreachable:
        english, chinese = hint
        return BrokerUnreachable(
            f"MQTT broker at {self._address}: {reason}; {english}"
            f" · 无法使用 MQTT 服务 {self._address}，{chinese}"
        )
