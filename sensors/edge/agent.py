"""The edge agent: the farm's own door, its queue, its rules and the line upstream."""

import json
import logging
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

from sensors.alerts.engine import Change
from sensors.edge.commands import Commands, command_topic, local_command
from sensors.edge.config import Config
from sensors.edge.credentials import (
    FileAuthenticator,
    read_credentials,
    read_password,
)
from sensors.edge.errors import ClockUnset
from sensors.edge.inbox import Inbox
from sensors.edge.local_rules import Happening, LocalRules, Step
from sensors.edge.queue import Queue, QueueFull
from sensors.edge.rewriting import iso, state_message
from sensors.edge.upstream import SHORTEST_PAUSE_S, Line
from sensors.endpoint import Endpoint, Tls
from sensors.running import Running

__all__ = ["Edge", "Status", "read_status"]

logger = logging.getLogger(__name__)

STATUS_FILE = "status.json"
# Seconds between looks after the parts, and between reports to the platform.
LOOK_S = 1.0
REPORT_S = 60.0
# 2025-01-01: a clock before it was never set.
EARLIEST_US = 1_735_689_600_000_000


@dataclass(frozen=True, slots=True)
class Status:
    """How the agent stands; ``at_us`` is when it said so.

    ``problem`` is what keeps the line down, ``fault`` what keeps messages from being
    written; None where all is well.
    """

    at_us: int
    connected: bool
    devices: int
    used_bytes: int
    max_bytes: int
    oldest_us: int | None
    counts: dict[str, int]
    problem: str | None
    fault: str | None


class Edge(Running):
    """Runs all parts; a context manager.

    Parameters
    ----------
    config
        As `sensors.edge.config.load` gives it.
    now_us
        The clock, microseconds since 1970 UTC.
    shortest_pause_s
        Between attempts to reach the platform.

    Raises
    ------
    ConfigInvalid
        A file that the configuration names cannot be used.
    """

    def __init__(
        self,
        config: Config,
        *,
        now_us: Callable[[], int] = lambda: time.time_ns() // 1_000,
        shortest_pause_s: float = SHORTEST_PAUSE_S,
    ) -> None:
        self._config = config
        self._now_us = now_us
        self._shortest_pause_s = shortest_pause_s
        self._password = read_password(config.upstream.password_file)
        self._hashes = read_credentials(config.local.credentials)
        self._acted: set[tuple[str, str]] = set()
        # Whether the actions of open alerts are to be repeated after a start.
        self._resumed = True
        self._acting = threading.Lock()
        self._over: list[Happening] = []
        self._stopped = threading.Event()
        self._reported = 0.0
        self._keeper = threading.Thread(target=self._keep, name="edge-keeper")

    def start(self) -> None:
        """Open the queue and the farm's door; devices can connect when this returns.

        Raises
        ------
        ClockUnset
            The clock says a time before 2025.
        ConfigInvalid
            The certificate of the platform's authority cannot be used.
        QueueUnusable
            The queue cannot be opened.
        EndpointError
            It cannot listen there.
        """
        if self._now_us() < EARLIEST_US:
            raise ClockUnset(
                f"the clock says {iso(self._now_us())}: set it (NTP) before the agent"
                " starts, or times of receipt would be wrong"
                " · 系统时钟未校准，请先校时（NTP）再启动"
            )
        self._queue = Queue(
            self._config.folder,
            max_bytes=self._max_bytes,
            drop_oldest=self._config.disk.when_full == "drop-oldest",
        )
        with ExitStack() as on_error:
            on_error.callback(self._queue.close)
            self._make_parts()
            self._endpoint.start()
            on_error.pop_all()
        # The door is open first: a port that is taken must be said before anything
        # runs.
        self._inbox.start()
        self._line.start()
        self._keeper.start()

    def stop(self) -> None:
        """Close the door, write what came in, take leave of the platform."""
        if not self._keeper.is_alive() and self._keeper.ident is None:
            return
        self._stopped.set()
        self._keeper.join()
        # From the devices to the platform, so that each part finds the next one
        # running.
        self._endpoint.stop()
        self._inbox.stop()
        self._line.stop()
        self._write_status()
        self._queue.close()

    @property
    def port(self) -> int:
        """TCP port that devices connect to."""
        return self._endpoint.port

    @property
    def running(self) -> bool:
        """Whether every part does its work."""
        parts = (self._endpoint, self._inbox, self._line)
        return self._keeper.is_alive() and all(part.running for part in parts)

    @property
    def status(self) -> Status:
        """How it stands now."""
        return Status(
            at_us=self._now_us(),
            connected=self._line.connected,
            devices=self._endpoint.connections,
            used_bytes=self._queue.used_bytes,
            max_bytes=self._max_bytes,
            oldest_us=self._queue.oldest_us,
            counts=self._queue.counts,
            problem=self._line.problem,
            fault=self._inbox.fault,
        )

    @property
    def _max_bytes(self) -> int:
        return self._config.disk.max_mib * 1_048_576

    def _make_parts(self) -> None:
        config = self._config
        rules = LocalRules(
            config.rules,
            farm=config.farm,
            gateway=config.gateway,
            devices=config.devices,
            streams=self._queue.streams(),
            states=self._queue.rule_states(),
        )
        self._acted = self._queue.acted()
        self._rules = rules
        self._over = rules.over(self._acted)
        self._inbox = Inbox(
            self._queue,
            rules,
            farm=config.farm,
            act=self._act,
            on_written=lambda: self._line.written(),
            now_us=self._now_us,
        )
        self._endpoint = self._new_endpoint()
        self._commands = Commands(self._endpoint, now_us=self._now_us)
        self._endpoint.on_subscribed = self._commands.subscribed
        self._line = Line(
            self._queue,
            config.upstream,
            password=self._password,
            farm=config.farm,
            gateway=config.gateway,
            on_command=self._commands.pass_on,
            on_room=self._inbox.room,
            shortest_pause_s=self._shortest_pause_s,
        )

    def _new_endpoint(self) -> Endpoint:
        local, farm = self._config.local, self._config.farm
        tls = None
        if local.certificate is not None and local.key is not None:
            tls = Tls(local.certificate, local.key)
        return Endpoint(
            self._inbox,
            FileAuthenticator(self._hashes, farm=farm, gateways=local.gateways),
            host=local.host,
            port=local.port,
            tls=tls,
            tls_port=local.tls_port,
        )

    @property
    def _alone(self) -> bool:
        """Whether the line has been gone for long enough to act."""
        line = self._line
        return not line.connected and line.down_s >= self._config.down_after_s

    def _act(self, step: Step) -> None:
        """Do what the rules want done; called when their states are on the disk."""
        with self._acting:
            for happening in step.happenings:
                self._do(happening)

    def _do(self, happening: Happening) -> None:
        action, change = happening.action, happening.event.change
        if action is None or change not in (Change.OPENED, Change.CLEARED):
            return
        key = _key(happening)
        # What was begun here is ended here, even when the line is back.
        begun = change is Change.CLEARED and key in self._acted
        if not (begun or self._alone or action.when == "always"):
            return
        # Noted first: what is ended without need is better than what is never ended.
        if change is Change.OPENED:
            self._note_acted(key, begun=True)
        wanted = action.opened if change is Change.OPENED else action.cleared
        if wanted:
            name = f"edge-{happening.rule.name}-{change}-{happening.event.at_us}"
            payload = local_command(
                wanted,
                command_id=name,
                now_us=self._now_us(),
                valid_s=action.valid_s,
            )
            topic = command_topic(self._config.farm, action.device)
            self._commands.pass_on(topic, payload)
        if change is Change.CLEARED:
            self._note_acted(key, begun=False)

    def _note_acted(self, key: tuple[str, str], *, begun: bool) -> None:
        if begun:
            self._acted.add(key)
        else:
            self._acted.discard(key)
        try:
            self._queue.note_acted(key, begun=begun)
        except QueueFull as error:
            # The action itself is worth more than that a restart knows of it.
            logger.error("action of rule %s not noted: %s", key[0], error)

    def _keep(self) -> None:
        while not self._stopped.wait(LOOK_S):
            self._catch_up()
            self._write_status()
            if time.monotonic() - self._reported >= REPORT_S:
                self._report()

    def _catch_up(self) -> None:
        """Do what was left undone.

        An alert may have opened before the line had been gone for long enough. And the
        agent may have been killed between writing an alert down and acting on it, or
        between noting its end and ending the action.
        """
        with self._acting:
            over, self._over = self._over, []
            for happening in over:
                self._do(happening)
            if self._line.connected:
                self._resumed = False
            if not self._alone:
                return
            for happening in self._rules.open_alerts():
                if self._resumed or _key(happening) not in self._acted:
                    self._do(happening)
            self._resumed = False

    def _report(self) -> None:
        """Tell the platform what waits and what was lost."""
        if not self._line.connected:
            return
        self._reported = time.monotonic()
        counts = self._queue.counts
        names = ("queued", "forwarded", "dropped", "refused", "undecodable")
        state: dict[str, str | float | bool] = {name: counts[name] for name in names}
        state["used_bytes"] = self._queue.used_bytes
        self._line.tell(
            state_message(
                farm=self._config.farm,
                device_id=self._config.gateway,
                time_us=self._now_us(),
                state=state,
            )
        )

    def _write_status(self) -> None:
        path = self._config.folder / STATUS_FILE
        fresh = path.with_suffix(".new")
        try:
            fresh.write_text(json.dumps(asdict(self.status)), "utf-8")
            fresh.replace(path)
        except OSError as error:
            # A full disk is said by the inbox; this file is for people only.
            logger.debug("no status written: %s", error)


def _key(happening: Happening) -> tuple[str, str]:
    return happening.rule.name, happening.target.key


def read_status(folder: Path) -> Status | None:
    """Read what a running agent last said of itself; None where it said nothing."""
    try:
        body = json.loads((folder / STATUS_FILE).read_text("utf-8"))
        return Status(**body)
    except (OSError, ValueError, TypeError):
        return None
