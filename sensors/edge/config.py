"""The one TOML file of the edge agent, checked whole before anything starts.

Paths are relative to the file. Unknown keys are refused: a misspelt one would silently
leave a default in force.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from sensors.alerts.errors import ExpressionInvalid, RuleInvalid
from sensors.alerts.rule_json import from_json
from sensors.alerts.rules import Rule
from sensors.edge.errors import ConfigInvalid

__all__ = [
    "Action",
    "Config",
    "Disk",
    "Local",
    "LocalDevice",
    "LocalRule",
    "Upstream",
    "load",
]

WhenFull = Literal["hold", "drop-oldest"]

MEBIBYTE = 1_048_576
SMALLEST_MIB = 1
LARGEST_MIB = 1_048_576


@dataclass(frozen=True)
class Upstream:
    """How to reach the platform; the user name is the gateway's device id.

    ``protocol`` is 5 (MQTT 5.0) or 4 (3.1.1); ``window`` how many messages may be on
    their way unacknowledged.
    """

    host: str
    password_file: Path
    port: int = 8883
    tls: bool = True
    ca: Path | None = None
    protocol: int = 5
    window: int = 300


@dataclass(frozen=True)
class Local:
    """Where the farm's devices connect, and the file of their credentials.

    ``gateways`` are those of them that speak for others: a LoRaWAN network server.
    """

    credentials: Path
    host: str = "127.0.0.1"
    port: int = 1883
    certificate: Path | None = None
    key: Path | None = None
    tls_port: int = 8883
    gateways: tuple[str, ...] = ()


@dataclass(frozen=True)
class Disk:
    """How much may wait, MiB, and what happens then."""

    max_mib: int = 512
    when_full: WhenFull = "hold"


@dataclass(frozen=True)
class LocalDevice:
    """What rules may ask about a device behind the gateway."""

    kind: str = ""
    thing: str = ""


@dataclass(frozen=True)
class Action:
    """What to tell a local device when an alert opens, and when it clears.

    ``when`` is "offline" (only while the line to the platform is down) or "always".
    """

    device: str
    opened: Mapping[str, Any]
    cleared: Mapping[str, Any] = field(default_factory=dict)
    when: Literal["offline", "always"] = "offline"
    valid_s: float = 300.0


@dataclass(frozen=True)
class LocalRule:
    """A rule of `sensors.alerts`, and what is to be done, if anything."""

    rule: Rule
    action: Action | None = None


@dataclass(frozen=True)
class Config:
    """Everything the agent is told.

    ``down_after_s``: how long the line must be gone before local actions begin.
    """

    farm: str
    gateway: str
    folder: Path
    upstream: Upstream
    local: Local
    disk: Disk = field(default_factory=Disk)
    devices: Mapping[str, LocalDevice] = field(default_factory=dict)
    rules: tuple[LocalRule, ...] = ()
    down_after_s: float = 30.0


def load(path: Path) -> Config:
    """Read and check a configuration.

    Raises
    ------
    ConfigInvalid
        It cannot be read, is no TOML, or something in it is missing, unknown or wrong.
    """
    try:
        with path.open("rb") as file:
            document = tomllib.load(file)
    except OSError as error:
        raise ConfigInvalid(
            f"configuration {path} cannot be read ({error.strerror}): give its path"
            f" with --config · 无法读取配置文件 {path}，请用 --config 指定"
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigInvalid(
            f"configuration {path} is no TOML: {error} · 配置文件不是有效的 TOML"
        ) from error
    return _config(_Table(document, path.resolve().parent))


class _Table:
    """One table of the file: what it holds is taken out key by key."""

    def __init__(
        self, values: Mapping[str, Any], folder: Path, place: str = ""
    ) -> None:
        self._values = dict(values)
        self._folder = folder
        self._place = place

    def text(self, key: str, default: str | None = None) -> str:
        value = self._take(key, str, default)
        if not value or not value.isprintable():
            raise self.wrong(key, "must be a printable text", "应为可打印的文本")
        return str(value)

    def name(self, key: str) -> str:
        value = self.text(key)
        if any(character in value for character in "/+#"):
            raise self.wrong(
                key, f"is {value!r}: a topic level, without / + #", "不得含有 / + #"
            )
        return value

    def choice(self, key: str, default: str, choices: tuple[str, ...]) -> Any:  # noqa: ANN401
        value = self.text(key, default)
        if value not in choices:
            raise self.wrong(
                key,
                f"is {value!r}: one of {', '.join(choices)}",
                f"只能是 {'、'.join(choices)}",
            )
        return value

    def whole(self, key: str, default: int, *, least: int, most: int) -> int:
        value = self._take(key, int, default)
        if not least <= value <= most:
            raise self.wrong(
                key, f"is {value}: from {least} to {most}", f"应为 {least} 至 {most}"
            )
        return int(value)

    def seconds(self, key: str, default: float) -> float:
        value = self._take(key, (int, float), default)
        if not 0 <= value <= 1e9:
            raise self.wrong(key, f"is {value}: seconds from 0", "应为非负秒数")
        return float(value)

    def flag(self, key: str, *, default: bool) -> bool:
        return bool(self._take(key, bool, default))

    def texts(self, key: str) -> tuple[str, ...]:
        values = self._take(key, list, [])
        if not all(isinstance(value, str) and value for value in values):
            raise self.wrong(key, "must be a list of texts", "应为文本列表")
        return tuple(values)

    def path(self, key: str) -> Path:
        return self._folder / self.text(key)

    def file(self, key: str) -> Path:
        """Take the path of a file that must be there."""
        path = self.path(key)
        if not path.is_file():
            raise self.wrong(
                key, f"names {path}, which is not there", f"文件 {path} 不存在"
            )
        return path

    def optional_file(self, key: str) -> Path | None:
        return self.file(key) if key in self._values else None

    def object(self, key: str) -> dict[str, Any]:
        return dict(self._take(key, dict, {}))

    def table(self, key: str) -> "_Table":
        values = self._take(key, dict, {})
        return _Table(values, self._folder, self._name(key) + ".")

    def tables(self, key: str) -> "list[_Table]":
        entries = self._take(key, list, [])
        if not all(isinstance(entry, dict) for entry in entries):
            raise self.wrong(key, "must be tables: [[...]]", "应为表数组 [[...]]")
        return [
            _Table(entry, self._folder, f"{self._name(key)}[{number}].")
            for number, entry in enumerate(entries, 1)
        ]

    def rest(self) -> dict[str, Any]:
        """Take all that is left."""
        values, self._values = self._values, {}
        return values

    def names(self) -> list[str]:
        return list(self._values)

    def __contains__(self, key: str) -> bool:
        return key in self._values

    def done(self) -> None:
        """Refuse what nobody asked for."""
        for key in self._values:
            raise self.wrong(key, "is unknown: misspelt?", "是未知的键，请检查拼写")

    def wrong(self, key: str, english: str, chinese: str) -> ConfigInvalid:
        name = self._name(key)
        return ConfigInvalid(
            f"configuration: {name} {english} · 配置项 {name} {chinese}"
        )

    def _name(self, key: str) -> str:
        return f"{self._place}{key}"

    def _take(self, key: str, kind: Any, default: Any) -> Any:  # noqa: ANN401
        if key not in self._values and default is not None:
            return default
        if key not in self._values:
            raise self.wrong(key, "is missing", "缺失")
        value = self._values.pop(key)
        # true is an int for Python, but not for whoever wrote the file.
        if not isinstance(value, kind) or (
            isinstance(value, bool) and kind is not bool
        ):
            raise self.wrong(key, f"is {value!r:.40}: another type", "类型不对")
        return value


def _config(table: _Table) -> Config:
    config = Config(
        farm=table.name("farm"),
        gateway=table.name("gateway"),
        folder=table.path("folder"),
        upstream=_upstream(table.table("upstream")),
        local=_local(table.table("local")),
        disk=_disk(table.table("disk")),
        devices=_devices(table.table("devices")),
        down_after_s=table.seconds("down_after_s", Config.down_after_s),
        rules=tuple(_rule(each) for each in table.tables("rule")),
    )
    names = [each.rule.name for each in config.rules]
    if twice := {name for name in names if names.count(name) > 1}:
        raise table.wrong("rule", f"{min(twice)!r} occurs twice", "规则名重复")
    table.done()
    return config


def _upstream(table: _Table) -> Upstream:
    upstream = Upstream(
        host=table.text("host"),
        password_file=table.file("password_file"),
        tls=table.flag("tls", default=True),
        port=table.whole("port", Upstream.port, least=1, most=65_535),
        ca=table.optional_file("ca"),
        protocol=table.whole("protocol", Upstream.protocol, least=4, most=5),
        window=table.whole("window", Upstream.window, least=1, most=10_000),
    )
    table.done()
    return upstream


def _local(table: _Table) -> Local:
    local = Local(
        credentials=table.file("credentials"),
        host=table.text("host", Local.host),
        port=table.whole("port", Local.port, least=0, most=65_535),
        certificate=table.optional_file("certificate"),
        key=table.optional_file("key"),
        tls_port=table.whole("tls_port", Local.tls_port, least=0, most=65_535),
        gateways=table.texts("gateways"),
    )
    if (local.certificate is None) != (local.key is None):
        raise table.wrong("certificate", "and key belong together", "与 key 须同时给出")
    table.done()
    return local


def _disk(table: _Table) -> Disk:
    disk = Disk(
        max_mib=table.whole(
            "max_mib", Disk.max_mib, least=SMALLEST_MIB, most=LARGEST_MIB
        ),
        when_full=table.choice("when_full", Disk.when_full, ("hold", "drop-oldest")),
    )
    table.done()
    return disk


def _devices(table: _Table) -> dict[str, LocalDevice]:
    devices = {}
    for device_id in table.names():
        entry = table.table(device_id)
        devices[device_id] = LocalDevice(
            kind=entry.text("kind") if "kind" in entry else "",
            thing=entry.text("thing", device_id),
        )
        entry.done()
    return devices


def _rule(table: _Table) -> LocalRule:
    action = _action(table.table("action")) if "action" in table else None
    try:
        rule = from_json(table.rest())
    except (RuleInvalid, ExpressionInvalid) as error:
        raise ConfigInvalid(f"configuration: {error}") from error
    return LocalRule(rule, action)


def _action(table: _Table) -> Action:
    action = Action(
        device=table.name("device"),
        opened=table.object("opened"),
        cleared=table.object("cleared"),
        when=table.choice("when", Action.when, ("offline", "always")),
        valid_s=table.seconds("valid_s", Action.valid_s),
    )
    if not action.opened:
        raise table.wrong("opened", "says nothing to set", "缺少要设置的状态")
    table.done()
    return action
