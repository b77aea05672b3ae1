"""The line to the platform over TLS."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sensors.edge import ConfigInvalid, Edge, load
from sensors.endpoint import Tls
from tests.sensors.conftest import until
from tests.sensors.edge.conftest import Connect
from tests.sensors.edge.farm import Platform, reading, write_config


def certificate_of(name: str, folder: Path) -> Tls:
    """Self-signed certificate, made by cryptography."""
    pytest.importorskip("cryptography", reason="cryptography is not installed")
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(subject, subject, key.public_key(), 1)
    builder = builder.not_valid_before(now - timedelta(days=1))
    builder = builder.not_valid_after(now + timedelta(days=1))
    for extension in (
        x509.BasicConstraints(ca=True, path_length=0),
        x509.SubjectAlternativeName([x509.DNSName(name)]),
    ):
        builder = builder.add_extension(extension, critical=False)
    signed = builder.sign(key, hashes.SHA256())
    tls = Tls(folder / f"{name}.pem", folder / f"{name}.key")
    tls.certificate.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    tls.key.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return tls


def secured(folder: Path, platform: Platform, ca: Path) -> Path:
    path = write_config(folder, platform.port)
    text = path.read_text().replace("tls = false", f'tls = true\nca = "{ca}"')
    path.write_text(text.replace('host = "127.0.0.1"', 'host = "localhost"'))
    return path


@pytest.fixture
def secure_platform(platform: Platform, tmp_path: Path) -> Platform:
    platform.close()
    platform.tls = certificate_of("localhost", tmp_path)
    platform.open()
    return platform


def test_messages_go_up_encrypted(
    secure_platform: Platform, tmp_path: Path, connect: Connect
) -> None:
    path = secured(tmp_path, secure_platform, tmp_path / "localhost.pem")
    with Edge(load(path), shortest_pause_s=0.05) as edge:
        connect("a", edge).publish(*reading(1))
        secure_platform.wait_for(lambda: secure_platform.messages == [reading(1)])


# paho leaves the socket of a failed handshake to the garbage collector.
@pytest.mark.filterwarnings("ignore:unclosed <ssl.SSLSocket:ResourceWarning")
def test_a_platform_that_nobody_vouches_for_gets_nothing(
    secure_platform: Platform, tmp_path: Path, connect: Connect
) -> None:
    stranger = certificate_of("stranger", tmp_path)
    path = secured(tmp_path, secure_platform, stranger.certificate)
    with Edge(load(path), shortest_pause_s=0.05) as edge:
        device = connect("a", edge)
        device.publish(*reading(1))
        device.wait_for(lambda: device.acknowledged == 1)
        until(lambda: "CERTIFICATE" in (edge.status.problem or "").upper())

        assert edge.status.counts["queued"] == 1
    assert secure_platform.messages == []


def test_a_file_that_is_no_certificate(platform: Platform, tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("hello")
    config = load(secured(tmp_path, platform, tmp_path / "ca.pem"))

    with pytest.raises(ConfigInvalid, match=r"upstream\.ca .*ca\.pem cannot be used"):
        Edge(config).start()
