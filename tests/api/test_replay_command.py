import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from api.replay_command import replay, simulate
from sensors.endpoint import Tls
from sensors.errors import BrokerUnreachable, PublishFailed, SensorsError
from sensors.formats import decode
from sensors.publisher import Publisher
from sensors.replay import RecordingInvalid, ResumeImpossible
from tests.sensors.replay.collector import (
    FARM,
    PASSWORD,
    USERNAME,
    Collector,
    listening,
)

ROWS = [f"cow-{n % 3},2026-11-23T{n:02}:30:00Z,{38 + n / 100}" for n in range(24)]
app = typer.Typer(pretty_exceptions_enable=False)
app.command("replay")(replay)
app.command("simulate")(simulate)


@pytest.fixture
def collector() -> Collector:
    return Collector()


@pytest.fixture
def port(collector: Collector) -> Iterator[int]:
    with listening(collector) as port:
        yield port


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "herd.csv"
    path.write_text("\n".join(["device,time,body_temperature", *ROWS]))
    return path


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "secret"
    path.write_text(f"{PASSWORD}\n")
    return path


def run(*arguments: object, env: dict[str, str] | None = None) -> tuple[int, str]:
    """Exit code and output; an error of ours is raised, as `heitu` shows it."""
    result = CliRunner(env=env).invoke(app, [str(one) for one in arguments])
    if isinstance(result.exception, SensorsError):
        raise result.exception
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.output


def test_replay_publishes_all(
    collector: Collector, port: int, file: Path, secret: Path
) -> None:
    code, output = run(
        *("replay", file, "--farm", FARM, "--port", port),
        *("--username", USERNAME, "--password-file", secret),
    )
    assert (code, "24 of 24 messages acknowledged" in output) == (0, True)
    assert collector.deliveries[5].topic == f"farm/{FARM}/cow-2/up"
    assert json.loads(collector.deliveries[5].payload) == {
        "seq": 2,
        "ts": "2026-11-23T05:30:00Z",
        "readings": {"body_temperature": 38.05},
    }


def test_password_from_the_environment(
    collector: Collector, port: int, file: Path
) -> None:
    code, _ = run(
        *("replay", file, "--farm", FARM, "--port", port, "--username", USERNAME),
        env={"HEITU_MQTT_PASSWORD": PASSWORD},
    )
    assert (code, len(collector.deliveries)) == (0, 24)


def test_disturbances_are_taken(
    collector: Collector, port: int, file: Path, secret: Path
) -> None:
    login = ("--port", port, "--username", USERNAME, "--password-file", secret)
    asked = ("--loss", 0.3, "--duplicate", 0.5, "--disorder", 7200, "--skew", -60)
    for _ in range(2):
        code, _ = run("replay", file, "--farm", FARM, "--seed", 4, *asked, *login)
        assert code == 0
    middle = len(collector.deliveries) // 2
    first, second = (
        [one.payload for one in half]
        for half in (collector.deliveries[:middle], collector.deliveries[middle:])
    )
    # The same seed is the same misfortune.
    assert first == second
    assert len(set(first)) < 24
    assert len(set(first)) < len(first)
    times = [json.loads(payload)["ts"] for payload in first]
    assert times != sorted(times)
    assert all(time.endswith(":29:00Z") for time in times)


def test_plan_says_what_is_to_be_registered(file: Path) -> None:
    code, output = run("replay", file, "--farm", FARM, "--plan", "--prefix", "x-")
    assert code == 0
    assert "x-cow-0" in output
    assert "body_temperature 8" in output
    assert "3 devices, 24 messages, 24 readings" in output
    assert "2026-11-23 00:30 to 2026-11-23 23:30 UTC" in output


def test_interrupted_replay_resumes(
    collector: Collector,
    port: int,
    file: Path,
    secret: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    arguments = (
        *("replay", file, "--farm", FARM, "--port", port, "--resume"),
        *("--username", USERNAME, "--password-file", secret),
    )
    with monkeypatch.context() as patched:
        send = Publisher.send

        def send_ten(self: Publisher, *rest: object, **options: object) -> None:
            if self.sent.messages == 10:
                self.wait()
                raise KeyboardInterrupt
            send(self, *rest, **options)  # type: ignore[arg-type]

        patched.setattr(Publisher, "send", send_ten)
        code, output = run(*arguments)
    assert (code, len(collector.deliveries)) == (130, 10)
    assert "--resume" in output
    code, output = run(*arguments)
    assert (code, "24 of 24" in output) == (0, True)
    assert len({one.payload for one in collector.deliveries}) == 24
    assert len(collector.deliveries) == 24
    with pytest.raises(ResumeImpossible, match="other settings"):
        run(*arguments, "--loss", 0.1)


def test_without_resume_nothing_is_left_beside_the_file(
    collector: Collector, port: int, file: Path, secret: Path
) -> None:
    before = set(file.parent.iterdir())
    run(
        *("replay", file, "--farm", FARM, "--port", port),
        *("--username", USERNAME, "--password-file", secret),
    )
    assert set(file.parent.iterdir()) == before


@pytest.mark.parametrize(
    ("options", "error", "reason"),
    [
        (("--username", "cow-97"), BrokerUnreachable, "password is wrong"),
        ((), BrokerUnreachable, "--password-file or HEITU_MQTT_PASSWORD"),
        (("--ca-file", "CA"), None, "holds no PEM certificate"),
        (("--password-file", "nowhere"), None, "cannot be read"),
        (("--zone", "Asia/Changchun-"), None, "Asia/Shanghai"),
        (("--loss", "1.5"), None, "--loss"),
        (("--mqtt", "3"), None, "--mqtt"),
        (("--farm", "a/b"), None, "cannot stand in a topic"),
    ],
)
def test_what_is_wrong_is_said(
    port: int,
    file: Path,
    options: tuple[str, ...],
    error: type[Exception] | None,
    reason: str,
) -> None:
    arguments = ("replay", file, "--farm", FARM, "--port", port, *options)
    if error is not None:
        with pytest.raises(error, match=reason):
            run(*arguments)
        return
    code, output = run(*arguments)
    assert (code, reason in " ".join(output.split())) == (2, True)


def test_file_that_is_no_recording(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("a,b\n1,2\n")
    with pytest.raises(RecordingInvalid, match="columns a, b"):
        run("replay", tmp_path / "a.csv", "--farm", FARM)


def test_refused_message_ends_the_replay(
    collector: Collector, port: int, file: Path
) -> None:
    with pytest.raises(PublishFailed, match="refused a message"):
        run(
            *("replay", file, "--farm", FARM, "--port", port, "--username", "cow-97"),
            env={"HEITU_MQTT_PASSWORD": "a-collars-secret"},
        )
    assert collector.deliveries == []


def test_simulate_a_past_hour(port: int, collector: Collector) -> None:
    # The gateway is of another farm than the village: this broker asks for rights.
    with pytest.raises(PublishFailed, match="refused a message"):
        run(
            *("simulate", "--port", port, "--username", USERNAME),
            *("--start", "2026-11-23T00:00:00", "--end", "2026-11-23T01:00:00"),
            env={"HEITU_MQTT_PASSWORD": PASSWORD},
        )
    assert collector.deliveries == []


def test_simulate_publishes_every_device_at_every_step(
    port: int, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sensors.simulated.FARM", FARM)
    code, output = run(
        *("simulate", "--port", port, "--username", USERNAME, "--cows", 30),
        *("--start", "2026-11-23T00:00:00", "--end", "2026-11-23T01:00:00"),
        env={"HEITU_MQTT_PASSWORD": PASSWORD},
    )
    assert (code, "246 messages" in output) == (0, True)
    uplinks = [
        uplink
        for one in collector.deliveries
        for uplink in decode(one.topic, one.payload, one.received_us, publisher=None)
    ]
    assert len(uplinks) == 6 * (11 + 30)
    assert {uplink.device_id for uplink in uplinks} >= {"sim-bin-3", "sim-collar-30"}


@pytest.mark.parametrize(
    "options",
    [
        ("--end", "2026-11-23"),
        ("--start", "2026-11-23", "--end", "2026-11-23"),
    ],
)
def test_simulate_needs_a_period(options: tuple[str, ...]) -> None:
    code, output = run("simulate", *options)
    assert (code, "--end must come after" in output) == (2, True)


@pytest.fixture
def certificate(tmp_path: Path) -> Tls:
    """Self-signed certificate of localhost, made by cryptography."""
    pytest.importorskip("cryptography", reason="cryptography is not installed")
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), 1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    tls = Tls(tmp_path / "certificate.pem", tmp_path / "key.pem")
    tls.certificate.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    tls.key.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return tls


def test_replay_over_tls(
    collector: Collector, file: Path, secret: Path, certificate: Tls
) -> None:
    with listening(collector, tls=certificate) as port:
        code, _ = run(
            *("replay", file, "--farm", FARM, "--host", "localhost", "--port", port),
            *("--username", USERNAME, "--password-file", secret),
            *("--ca-file", certificate.certificate),
        )
    assert (code, len(collector.deliveries)) == (0, 24)
