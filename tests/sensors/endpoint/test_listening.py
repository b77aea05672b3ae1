import errno
import logging
import socket
import ssl
from contextlib import suppress
from pathlib import Path

import pytest

from sensors.endpoint import (
    AddressUnusable,
    CertificateInvalid,
    Endpoint,
    PortTaken,
    Tls,
)
from sensors.endpoint.sockets import (
    listening_sockets,
    network_of,
    raise_descriptor_limit,
)
from tests.sensors.endpoint.conftest import Listen
from tests.sensors.endpoint.devices import (
    WELCOME,
    Device,
    HeldSink,
    connect_packet,
    connected,
    principals,
    puback,
    publish_packet,
)

UP = "farm/f1/a/up"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Tls:
    """Self-signed certificate of localhost, made by cryptography."""
    pytest.importorskip("cryptography", reason="cryptography is not installed")
    from datetime import UTC, datetime, timedelta

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    folder = tmp_path_factory.mktemp("tls")
    tls = Tls(folder / "certificate.pem", folder / "key.pem")
    tls.certificate.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    tls.key.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return tls


class Secure(Device):
    """A device that speaks TLS and trusts one certificate."""

    def __init__(self, port: int, trusted: Path, identity: Tls | None = None) -> None:
        super().__init__(port)
        context = ssl.create_default_context(cafile=str(trusted))
        if identity is not None:
            context.load_cert_chain(identity.certificate, identity.key)
        self.socket = context.wrap_socket(self.socket, server_hostname="localhost")


def test_tls_and_plain_are_served_side_by_side(
    listen: Listen, certificate: Tls
) -> None:
    sink = HeldSink(at_once=True)
    endpoint = listen(sink, tls=certificate, tls_port=0)
    assert endpoint.tls_port != endpoint.port
    with (
        Secure(endpoint.tls_port, certificate.certificate) as secure,
        connected(endpoint.port, "b"),
    ):
        secure.send(connect_packet("a"))
        assert secure.read() == WELCOME
        # More than a TLS record, and more than one slice.
        secure.send(
            *(publish_packet(UP, bytes(500), packet_id=n) for n in range(1, 99))
        )
        for number in range(1, 99):
            assert secure.read() == puback(number)


def test_tls_alone(listen: Listen, sink: HeldSink, certificate: Tls) -> None:
    endpoint = listen(sink, port=None, tls=certificate, tls_port=0)
    assert endpoint.port == 0
    with Secure(endpoint.tls_port, certificate.certificate) as secure:
        secure.send(connect_packet("a"))
        assert secure.read() == WELCOME


def test_without_tls_on_the_port_for_tls_nobody_comes_in(
    listen: Listen, sink: HeldSink, certificate: Tls
) -> None:
    endpoint = listen(sink, tls=certificate, tls_port=0)
    with Device(endpoint.tls_port) as device:
        device.send(connect_packet("a"))
        assert device.closed
    assert endpoint.connections == 0


def test_clients_must_show_a_certificate_where_asked(
    listen: Listen, sink: HeldSink, certificate: Tls
) -> None:
    tls = Tls(certificate.certificate, certificate.key, certificate.certificate)
    endpoint = listen(sink, tls=tls, tls_port=0)
    with Secure(endpoint.tls_port, certificate.certificate, certificate) as known:
        known.send(connect_packet("a"))
        assert known.read() == WELCOME
    with Secure(endpoint.tls_port, certificate.certificate) as unknown:
        unknown.send(connect_packet("a"))
        # TLS 1.3 tells the client only when it reads, if the alert comes that far.
        with suppress(ssl.SSLError):
            assert unknown.read() == b""
    assert endpoint.counts.logins == 1


def test_tls_1_1_is_not_spoken(certificate: Tls) -> None:
    assert certificate.context().minimum_version == ssl.TLSVersion.TLSv1_2


def test_a_certificate_that_is_none_is_said(sink: HeldSink, tmp_path: Path) -> None:
    tls = Tls(tmp_path / "none.pem", tmp_path / "key.pem")
    endpoint = Endpoint(sink, principals(), port=0, tls=tls, tls_port=0)
    with pytest.raises(CertificateInvalid, match=r"none\.pem.*证书"):
        endpoint.start()
    assert not endpoint.running


def test_ipv6(listen: Listen, sink: HeldSink) -> None:
    _need_ipv6()
    endpoint = listen(sink, host="::1")
    with Device(endpoint.port, host="::1") as device:
        device.send(connect_packet("a"))
        assert device.read() == WELCOME


def test_several_hosts_share_one_port(listen: Listen, sink: HeldSink) -> None:
    _need_ipv6()
    endpoint = listen(sink, host=["127.0.0.1", "::1"])
    for host, name in (("127.0.0.1", "a"), ("::1", "b")):
        with Device(endpoint.port, host=host) as device:
            device.send(connect_packet(name))
            assert device.read() == WELCOME


def test_an_ipv6_socket_leaves_ipv4_to_its_own() -> None:
    _need_ipv6()
    (listening,) = listening_sockets(["::1"], 0)
    with listening:
        assert listening.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY) == 1


def test_localhost_listens_on_every_address_it_stands_for(
    listen: Listen, sink: HeldSink
) -> None:
    endpoint = listen(sink, host="localhost")
    names = iter("abc")
    for *_, address in socket.getaddrinfo("localhost", None, type=socket.SOCK_STREAM):
        with Device(endpoint.port, host=str(address[0])) as device:
            device.send(connect_packet(next(names)))
            assert device.read() == WELCOME


def _need_ipv6() -> None:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError as error:
        pytest.skip(f"this machine has no IPv6: {error}")


def test_an_address_family_that_is_absent_is_left_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from sensors.endpoint import sockets

    bind = sockets._bind

    def without_ipv6(
        family: socket.AddressFamily, address: str, port: int
    ) -> socket.socket:
        if family == socket.AF_INET6:
            raise OSError(errno.EADDRNOTAVAIL, "Cannot assign requested address")
        return bind(family, address, port)

    monkeypatch.setattr(sockets, "_bind", without_ipv6)
    (only,) = listening_sockets(["127.0.0.1", "::1"], 0)
    with only:
        assert only.family == socket.AF_INET
    with pytest.raises(AddressUnusable, match="::1"):
        listening_sockets(["::1"], 0)


def test_half_open_connections_are_probed() -> None:
    (listening,) = listening_sockets(["127.0.0.1"], 0)
    address = listening.getsockname()
    with listening, socket.create_connection(address):
        listening.setblocking(True)
        accepted, _ = listening.accept()
        with accepted:
            assert accepted.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1


def test_a_port_in_use_is_said(endpoint: Endpoint, sink: HeldSink) -> None:
    second = Endpoint(sink, principals(), port=endpoint.port)
    with pytest.raises(PortTaken, match=f"{endpoint.port}.*已被占用"):
        second.start()
    assert not second.running
    second.stop()


@pytest.mark.parametrize("host", ["192.0.2.1", "no.such.host.invalid"])
def test_a_host_that_is_not_here_is_said(sink: HeldSink, host: str) -> None:
    endpoint = Endpoint(sink, principals(), host=host, port=0)
    with pytest.raises(AddressUnusable, match=f"{host}.*无法监听"):
        endpoint.start()


def test_addresses_count_by_network() -> None:
    assert network_of("192.0.2.1") != network_of("192.0.2.2")
    assert network_of("2001:db8::1") == network_of("2001:db8::ffff:1")
    assert network_of("2001:db8::1") != network_of("2001:db8:0:1::1")


def test_the_limit_of_open_files_is_raised_to_what_is_allowed() -> None:
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 1_024), hard))
    try:
        assert raise_descriptor_limit() == hard
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_the_start_says_where_it_listens(
    listen: Listen, sink: HeldSink, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, logger="sensors.endpoint"):
        endpoint = listen(sink)
    assert f"listening on 127.0.0.1 port {endpoint.port}" in caplog.text
