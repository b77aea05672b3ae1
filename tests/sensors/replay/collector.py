"""A platform in small: the real listener, and a store that is a list."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from sensors.delivery import Delivery
from sensors.endpoint import Endpoint, Principal, StaticAuthenticator, Tls

FARM = "brandenburg"
USERNAME, PASSWORD = "gw-1", "a-gateways-secret"


class Collector:
    """Sink that keeps what it is given and settles it at once."""

    def __init__(self) -> None:
        self.deliveries: list[Delivery] = []

    def put(self, deliveries: Sequence[Delivery]) -> bool:
        self.deliveries.extend(deliveries)
        deliveries[0].source.settled(deliveries)
        return True

    def on_room(self, callback: Callable[[], None]) -> None:
        """Never full, so never called."""


@contextmanager
def listening(
    collector: Collector, *, farm: str = FARM, tls: Tls | None = None
) -> Iterator[int]:
    """Port of a listener that knows one gateway of `farm` and one lone device.

    With `tls` the port of its encrypted side.
    """
    known = {
        USERNAME: (PASSWORD.encode(), Principal(USERNAME, farm, gateway=True)),
        "cow-97": (b"a-collars-secret", Principal("cow-97", farm)),
    }
    endpoint = Endpoint(
        collector, StaticAuthenticator(known), port=0, tls=tls, tls_port=0
    )
    with endpoint:
        yield endpoint.tls_port if tls else endpoint.port
