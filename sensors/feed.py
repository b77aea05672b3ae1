"""The simulated village goes on reporting while the platform serves."""

import logging
import threading
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from sensors.errors import PublishFailed
from sensors.publisher import Login, Publisher, Sent
from sensors.running import Running
from sensors.simulated import SEED, message_at
from store.devices import Device

__all__ = ["LIVE_STEP", "Feed"]

logger = logging.getLogger(__name__)

LIVE_STEP = timedelta(seconds=10)


class Feed(Running):
    """Publishes every device's readings at each multiple of `step`, from now on.

    A context manager; `stop` takes effect at once, also in the middle of a pause.

    Parameters
    ----------
    devices
        Devices of `sensors.simulated.village`.
    host, port, login
        The MQTT broker, and who publishes there.
    step
        Time between two rounds.
    seed
        As in `sensors.simulated.readings_at`.
    """

    def __init__(
        self,
        devices: Sequence[Device],
        *,
        host: str,
        port: int,
        login: Login | None = None,
        step: timedelta = LIVE_STEP,
        seed: int = SEED,
    ) -> None:
        self._devices = tuple(devices)
        self._step = step
        self._seed = seed
        self._publisher = Publisher(host=host, port=port, login=login)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sensors-feed")

    @property
    def running(self) -> bool:
        """Whether it goes on publishing."""
        return self._thread.is_alive()

    @property
    def sent(self) -> Sent:
        """What was published so far."""
        return self._publisher.sent

    def start(self) -> None:
        """Connect and publish the round of the current moment, then go on.

        Raises
        ------
        BrokerUnreachable
            The broker does not answer.
        """
        self._publisher.start()
        self._thread.start()

    def stop(self) -> None:
        """Stop publishing and disconnect."""
        self._stopping.set()
        # Not alive when the broker could not be reached.
        if self._thread.is_alive():
            self._thread.join()
        self._publisher.stop()

    def _run(self) -> None:
        step = self._step.total_seconds()
        pause = 0.0
        while not self._stopping.wait(pause):
            slot = datetime.now(UTC).timestamp() // step * step
            self._round(datetime.fromtimestamp(slot, UTC))
            # After a suspended laptop wakes up, the rounds it slept through are gone.
            pause = max(0.0, slot + step - datetime.now(UTC).timestamp())

    def _round(self, time: datetime) -> None:
        for device in self._devices:
            message = message_at(device, time, step=self._step, seed=self._seed)
            try:
                self._publisher.send(message, timeout=1.0)
            except PublishFailed as error:
                logger.warning("round of %s cut short: %s", time.isoformat(), error)
                return
            if self._stopping.is_set():
                return
