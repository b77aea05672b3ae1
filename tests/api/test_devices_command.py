"""The commands, run against a database of their own."""

import csv
import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from api.broker_command import broker_config
from api.device_list import DeviceListInvalid
from api.devices_command import devices_app
from sensors.access import StoreAuthenticator, claim
from sensors.endpoint.authentication import Login, Principal
from sensors.errors import DeviceKindUnknown, QuantityUnknown
from store import (
    DeviceExists,
    DeviceUnknown,
    RowRefused,
    Store,
    devices,
    presence,
    quarantine,
    readings,
)
from store.quarantine import Refused
from store.readings import ReadingRow

JULY = datetime(2026, 7, 1, tzinfo=UTC)
PLACE = ("--lon", "124.34", "--lat", "43.31")
ADD = ("add", "p1", "--kind", "soil-probe", *PLACE)


@pytest.fixture
def heitu(store: Store, monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    """Run commands on the database of the test."""
    monkeypatch.setenv("HEITU_DATABASE_URL", store.url)
    monkeypatch.setenv("COLUMNS", "200")
    return CliRunner()


def run(heitu: CliRunner, *arguments: str) -> Result:
    return heitu.invoke(devices_app, arguments)


def ran(heitu: CliRunner, *arguments: str) -> Result:
    """Run a command that succeeds."""
    result = run(heitu, *arguments)
    assert result.exit_code == 0, result.output
    return result


def secret_in(result: Result) -> str:
    (line,) = [s for s in result.stderr.splitlines() if s.startswith("password")]
    return line.partition(": ")[2]


def may_enter(store: Store, secret: str, device_id: str = "p1") -> bool:
    login = Login(device_id, "", secret.encode(), "127.0.0.1")
    (answer,) = StoreAuthenticator(store).authenticate([login])
    return answer == Principal(device_id, "home")


def test_add_prints_topic_and_secret(heitu: CliRunner, store: Store) -> None:
    result = ran(heitu, *ADD)
    assert result.stdout == "farm/home/p1/up\n"
    assert "username 用户名: p1" in result.stderr
    assert may_enter(store, secret_in(result))


def test_add_without_credential(heitu: CliRunner) -> None:
    result = ran(heitu, *ADD, "--no-credential")
    assert (result.stdout, result.stderr) == ("farm/home/p1/up\n", "")


def test_add_with_depths_and_external_id(heitu: CliRunner, store: Store) -> None:
    depths = ("--stream", "soil_moisture@0.1", "--stream", "soil_moisture@0.3")
    ran(heitu, *ADD, *depths, "--external-id", "0004A30B001C0530", "--gateway")
    with store.connection() as conn:
        device = devices.get(conn, "p1")
        streams = devices.streams(conn, "p1")
    assert (device.external_id, device.gateway) == ("0004a30b001c0530", True)
    assert [(s.quantity, s.position) for s in streams][-2:] == [
        ("soil_moisture", "0.1"),
        ("soil_moisture", "0.3"),
    ]


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("add", "x", "--kind", "toaster", *PLACE), DeviceKindUnknown),
        ((*ADD[:1], "x", *ADD[2:], "--stream", "colour@1"), QuantityUnknown),
        (ADD, DeviceExists),
        (("add", "a/b", "--kind", "soil-probe", *PLACE), RowRefused),
        (("show", "p9"), DeviceUnknown),
        (("rotate", "p9"), DeviceUnknown),
        (("rotate", "p9", "--finish"), DeviceUnknown),
        (("revoke", "p9"), DeviceUnknown),
        (("disable", "p9"), DeviceUnknown),
        (("disable", "p9", "--undo"), DeviceUnknown),
        (("move", "p9", "--thing", "plot-2"), DeviceUnknown),
        (("claim", "p9"), DeviceUnknown),
        (("gaps", "p9"), DeviceUnknown),
        (("conflicts", "p9"), DeviceUnknown),
    ],
)
def test_what_cannot_be_is_an_error_of_ours(
    heitu: CliRunner, arguments: tuple[str, ...], error: type[Exception]
) -> None:
    ran(heitu, *ADD)
    result = run(heitu, *arguments)
    assert result.exit_code == 1
    assert isinstance(result.exception, error)


@pytest.mark.parametrize(
    "arguments",
    [
        (*ADD, "--stream", "soil_moisture@a@b"),
        ("add", "p1", "--kind", "soil-probe", "--lon", "181", "--lat", "0"),
        ("move", "p1", "--thing", "plot-2", "--since", "2026-07-01T00:00:00"),
        ("claim", "p1", "--days", "0"),
        ("import", "list.csv"),
        ("import", "list.csv", "--secrets", "a.csv", "--no-credential"),
    ],
)
def test_wrong_usage(heitu: CliRunner, arguments: tuple[str, ...]) -> None:
    assert run(heitu, *arguments).exit_code == 2


def test_list_and_kinds(heitu: CliRunner) -> None:
    ran(heitu, *ADD)
    listed = ran(heitu, "list").stdout
    assert "p1" in listed
    assert "从未 never" in listed
    kinds = ran(heitu, "kinds").stdout
    assert "soil_moisture" in kinds
    assert "valve: closed, open; opening: 0 to 100 %" in kinds


def test_show_tells_all_but_the_secret(heitu: CliRunner, store: Store) -> None:
    secret = secret_in(ran(heitu, *ADD))
    session = presence.Presence("p1", "192.0.2.9", JULY, None, None)
    with store.connection() as conn:
        presence.record(conn, [session], listener="endpoint")
    result = ran(heitu, "show", "p1")
    for told in (
        "kind 类型: soil-probe",
        "topic 主题: farm/home/p1/up",
        "place 位置: 124.34 43.31",
        "stream 数据流: soil_moisture m3/m3 p1 since 自 20",
        "secret 密钥: since 签发于 20",
        "connection 连接: 192.0.2.9 since 自 2026-07-01 00:00:00Z",
        "missing 缺失: 0",
    ):
        assert told in result.stdout
    assert secret not in result.output
    assert "$7$" not in result.output


def test_rotate_then_finish(heitu: CliRunner, store: Store) -> None:
    old = secret_in(ran(heitu, *ADD))
    new = secret_in(ran(heitu, "rotate", "p1"))
    assert may_enter(store, old)
    assert may_enter(store, new)
    assert ran(heitu, "rotate", "p1", "--finish").stdout.startswith(
        "old secrets ended: 1 ·"
    )
    assert not may_enter(store, old)
    assert may_enter(store, new)


def test_revoke(heitu: CliRunner, store: Store) -> None:
    secret = secret_in(ran(heitu, *ADD))
    assert ran(heitu, "revoke", "p1").stdout.startswith("secrets ended: 1 ·")
    assert not may_enter(store, secret)


def test_disable_and_undo(heitu: CliRunner, store: Store) -> None:
    secret = secret_in(ran(heitu, *ADD))
    ran(heitu, "disable", "p1")
    assert not may_enter(store, secret)
    assert "disabled 已停用" in ran(heitu, "show", "p1").stdout
    ran(heitu, "disable", "p1", "--undo")
    assert may_enter(store, secret)


def test_move_from_now_on(heitu: CliRunner, store: Store) -> None:
    ran(heitu, *ADD)
    assert ran(heitu, "move", "p1", "--thing", "plot-2").stdout.startswith("3 streams")
    with store.connection() as conn:
        things = [stream.thing for stream in devices.streams(conn, "p1")]
    assert things == ["p1"] * 3 + ["plot-2"] * 3
    told = ran(heitu, "show", "p1").stdout.splitlines()
    streams = [line for line in told if line.startswith("stream")]
    assert [line.endswith("(past 已结束)") for line in streams] == [True] * 3 + [
        False
    ] * 3
    assert "plot-2 since 自" in streams[-1]


def test_move_at_a_time_with_an_offset(heitu: CliRunner, store: Store) -> None:
    ran(heitu, *ADD)
    time = "2126-07-01T08:00:00+08:00"
    ran(heitu, "move", "p1", "--thing", "plot-2", "--since", time)
    told = ran(heitu, "show", "p1").stdout
    assert "p1 since 自" in told
    assert "until 至 2126-07-01 00:00:00Z\n" in told
    assert "past" not in told
    with store.connection() as conn:
        last = devices.streams(conn, "p1")[-1]
    assert last.since == datetime(2126, 7, 1, tzinfo=UTC)


def test_claim_is_good(heitu: CliRunner, store: Store) -> None:
    ran(heitu, *ADD, "--no-credential")
    code = ran(heitu, "claim", "p1").stdout.strip()
    with store.connection() as conn:
        made = claim(conn, code, hardware_id="hw", address="192.0.2.1")
    assert made is not None
    assert may_enter(store, made.secret)


def test_quarantine_and_replay(heitu: CliRunner, store: Store) -> None:
    message = Refused(
        "farm/home/p1/up",
        b'{"ts": "2026-07-01T00:00:00Z", "readings": {"battery": 3.6}}',
        "device 'p1' is unknown",
        1_782_864_000_000_000,
    )
    with store.connection() as conn:
        quarantine.add(conn, [message])
    assert "is unknown" in ran(heitu, "quarantine").stdout
    ran(heitu, *ADD)
    replayed = ran(heitu, "quarantine", "--replay").stdout
    assert "stored 入库 1," in replayed
    assert "is unknown" not in replayed


def test_gaps_of_a_device_never_heard(heitu: CliRunner) -> None:
    ran(heitu, *ADD)
    result = ran(heitu, "gaps", "p1")
    assert (result.stdout, result.stderr) == ("", "0 missing · 条缺失\n")


def test_conflicts_show_both_values(heitu: CliRunner, store: Store) -> None:
    ran(heitu, *ADD)
    with store.connection() as conn:
        stream = devices.streams(conn, "p1")[0].stream_id
        for value in (0.25, 0.5):
            readings.write(conn, [ReadingRow(stream, JULY, value, 1, JULY)])
    for arguments in (("conflicts",), ("conflicts", "p1")):
        told = ran(heitu, *arguments).stdout
        assert "0.25 m3/m3" in told
        assert "0.5 m3/m3" in told


HEAD = "id,kind,lon,lat,name_zh,farm,gateway,streams\n"
LINES = (
    "a1,soil-probe,124.3,43.3,一号,lishu,no,soil_moisture@0.1 soil_moisture@0.3\n"
    "a2,weather-station,124.4,43.3,,,,\n"
)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
def test_import_of_a_list(
    heitu: CliRunner, store: Store, tmp_path: Path, encoding: str
) -> None:
    (tmp_path / "list.csv").write_text(HEAD + LINES, encoding=encoding)
    secrets = tmp_path / "secrets.csv"
    result = ran(heitu, "import", str(tmp_path / "list.csv"), "--secrets", str(secrets))
    assert result.stdout.startswith("2 devices registered")
    assert stat.S_IMODE(secrets.stat().st_mode) == 0o600
    assert b"\r" not in secrets.read_bytes()
    with secrets.open(encoding="utf-8", newline="") as file:
        first, second = csv.DictReader(file)
    assert (first["topic"], second["topic"]) == ("farm/lishu/a1/up", "farm/home/a2/up")
    assert may_enter(store, second["password"], "a2")
    assert second["password"] not in result.output
    with store.connection() as conn:
        assert devices.get(conn, "a1").name_zh == "一号"
        assert len(devices.streams(conn, "a1")) == 4


@pytest.mark.parametrize(
    ("text", "mention"),
    [
        ("id,kind,lon\n", "missing 缺少: lat"),
        (HEAD.replace("farm", "colour"), "not known 未知: colour"),
        ("id,kind,lon,lat,lat\n", "more than once 重复: lat"),
        (HEAD + LINES + "a/3,soil-probe,1,1,,,,\n", "line 4: id"),
        (HEAD + LINES + "a3,soil-probe,x,1,,,,\n", "line 4: lon"),
        (HEAD + LINES + "a3,soil-probe,1\n", "line 4: has not as many cells"),
        (HEAD + LINES + "a3,soil-probe,1,1,,,maybe,\n", "gateway 'maybe'"),
        (HEAD + LINES + "a3,soil-probe,1,1,,,,soil_moisture@a@b\n", "a@b"),
        (HEAD + "x" * 200_000, "line 2"),
        ("x" * 200_000, "line 1"),
    ],
)
def test_faults_of_a_list_are_named_and_nothing_is_registered(
    heitu: CliRunner, store: Store, tmp_path: Path, text: str, mention: str
) -> None:
    (tmp_path / "list.csv").write_text(text)
    result = run(heitu, "import", str(tmp_path / "list.csv"), "--no-credential")
    assert isinstance(result.exception, DeviceListInvalid)
    assert mention in str(result.exception)
    with store.connection() as conn:
        assert devices.all_devices(conn) == []


def test_all_faulty_lines_are_named_at_once(
    heitu: CliRunner, store: Store, tmp_path: Path
) -> None:
    ran(heitu, *ADD, "--external-id", "0004a30b001c0530", "--no-credential")
    (tmp_path / "list.csv").write_text(
        "id,kind,lon,lat,external_id,simulated,streams\n"
        "a1,soil-probe,1,1,,,\n"
        "a2,toaster,x,1,,,\n"
        "p1,soil-probe,1,1,,,\n"
        "a1,soil-probe,1,1,,,\n"
        "a3,soil-probe,1,1,,,colour@1 soil_moisture@a@b\n"
        "a4,soil-probe,1,1,0004A30B001C0530,maybe,\n"
        "a5,soil-probe,1,1,a2,,\n"
    )
    secrets = tmp_path / "secrets.csv"
    result = run(heitu, "import", str(tmp_path / "list.csv"), "--secrets", str(secrets))
    assert isinstance(result.exception, DeviceListInvalid)
    told = str(result.exception).splitlines()[1:]
    for number, *mentions in (
        (3, "'toaster'", "lon: "),
        (4, "'p1' is already registered"),
        (5, "'a1' is on line 2 too"),
        (6, "'colour' is unknown", "soil_moisture@a@b"),
        (7, "simulated 'maybe'"),
        (7, "'0004A30B001C0530' is already registered"),
        (8, "'a2' is on line 3 too"),
    ):
        (line,) = [s for s in told if mentions[0] in s]
        assert line.startswith(f"  line {number}: ")
        assert all(mention in line for mention in mentions)
    assert len(told) == 7
    assert not secrets.exists()
    with store.connection() as conn:
        assert [device.device_id for device in devices.all_devices(conn)] == ["p1"]


def test_simulated_devices_are_marked(
    heitu: CliRunner, store: Store, tmp_path: Path
) -> None:
    ran(heitu, *ADD, "--simulated", "--no-credential")
    (tmp_path / "list.csv").write_text(
        "id,kind,lon,lat,simulated\na1,soil-probe,1,1,是\na2,soil-probe,1,1,no\n"
        "a3,soil-probe,1,1,\n"
    )
    ran(heitu, "import", str(tmp_path / "list.csv"), "--no-credential")
    with store.connection() as conn:
        marks = {d.device_id: d.simulated for d in devices.all_devices(conn)}
    assert marks == {"p1": True, "a1": True, "a2": False, "a3": False}
    assert "simulated 模拟: yes 是" in ran(heitu, "show", "p1").stdout
    assert "simulated" not in ran(heitu, "show", "a2").stdout


def test_secrets_overwrite_nothing(
    heitu: CliRunner, store: Store, tmp_path: Path
) -> None:
    (tmp_path / "list.csv").write_text(HEAD + LINES)
    secrets = tmp_path / "secrets.csv"
    secrets.write_text("precious")
    result = run(heitu, "import", str(tmp_path / "list.csv"), "--secrets", str(secrets))
    assert isinstance(result.exception, DeviceListInvalid)
    assert secrets.read_text() == "precious"
    with store.connection() as conn:
        assert devices.all_devices(conn) == []


@pytest.mark.parametrize("content", [None, b"\xff\xff\x00"])
def test_list_that_cannot_be_read(
    heitu: CliRunner, tmp_path: Path, content: bytes | None
) -> None:
    path = tmp_path / "list.csv"
    if content is not None:
        path.write_bytes(content)
    result = run(heitu, "import", str(path), "--no-credential")
    assert isinstance(result.exception, DeviceListInvalid)


def broker(heitu: CliRunner, out: Path, *arguments: str) -> Result:
    app = typer.Typer()
    app.command()(broker_config)
    return heitu.invoke(app, ["--out", str(out), *arguments])


def test_broker_configuration_is_written(
    heitu: CliRunner, store: Store, tmp_path: Path
) -> None:
    ran(heitu, *ADD)
    ran(heitu, "add", "with:colon", *ADD[2:])
    out = tmp_path / "mosquitto"
    result = broker(heitu, out, "--workers", "2")
    assert result.exit_code == 0, result.output
    assert "'with:colon'" in result.stderr
    assert "user p1\n" in (out / "acl").read_text()
    assert "\np1:$7$101$" in "\n" + (out / "passwords").read_text()
    assert f"acl_file {out}/acl" in (out / "mosquitto.conf").read_text()
    users = ("heitu-ingest", "heitu-ingest-2", "heitu-monitor")
    for name in ("passwords", *(f"{user}.secret" for user in users)):
        assert stat.S_IMODE((out / name).stat().st_mode) == 0o600
    secrets = [(out / f"{user}.secret").read_text() for user in users]
    assert not any(secret.strip() in result.output for secret in secrets)
    assert "\nheitu-monitor:$7$101$" in (out / "passwords").read_text()
    # Made again, workers and monitor keep their secrets.
    assert broker(heitu, out).exit_code == 0
    assert [(out / f"{user}.secret").read_text() for user in users] == secrets


@pytest.mark.parametrize(
    "arguments",
    [
        ("--host", "farm.example"),
        ("--port", "0"),
        ("--cert", "cert.pem"),
        ("--client-ca", "ca.pem"),
        ("--workers", "0"),
    ],
)
def test_broker_configuration_that_cannot_be(
    heitu: CliRunner, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    assert broker(heitu, tmp_path / "out", *arguments).exit_code == 2
    assert not (tmp_path / "out").exists()
