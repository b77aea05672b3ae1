"""Webhook, mail and MQTT against real servers on this machine."""

import email
import hashlib
import hmac
import json
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import default
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, Envelope, LoginPassword
from pydantic import SecretStr

from sensors.notify import (
    MailSender,
    MqttSender,
    NotificationFailed,
    SmtpServer,
    WebhookSender,
)
from store.notifications import Notification

AT = datetime(2026, 7, 1, 2, 30, tzinfo=UTC)
SECRET = "0123456789abcdef-key"


def notification(**parts: Any) -> Notification:
    given: dict[str, Any] = {
        "notification_id": 1,
        "attempts": 1,
        "change_id": 7,
        "change": "opened",
        "at": AT,
        "channel": "hook",
        "kind": "webhook",
        "address": "http://127.0.0.1:1/",
        "language": "zh",
        "secret": None,
        "device_farm": None,
        "alert_id": 42,
        "rule": "heat",
        "alert_kind": "threshold",
        "farm": "meadow",
        "device_id": "station-1",
        "thing": "barn",
        "severity": "critical",
        "text_zh": "牛舍过热",
        "text_en": "The barn is too hot",
        "value": 41.5,
        "evidence": [{"stream_id": 1, "time": "2026-07-01T02:30:00Z", "value": 41.5}],
        "simulated": False,
        "opened_at": AT,
    }
    return Notification(**(given | parts))


class Hook:
    """A web server that answers with a status and keeps what it got."""

    def __init__(self, status: int, headers: dict[str, str]) -> None:
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers["Content-Length"])
                body = self.rfile.read(length)
                hook.requests.append((self.path, dict(self.headers), body))
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                """Keep quiet."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/alerts/k3y"


@contextmanager
def hooked(status: int = 204, **headers: str) -> Iterator[Hook]:
    hook = Hook(status, headers)
    thread = threading.Thread(target=hook.server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield hook
    finally:
        hook.server.shutdown()
        thread.join()
        hook.server.server_close()


def test_a_webhook_gets_json_with_a_key_and_a_signature() -> None:
    with hooked() as hook:
        WebhookSender().send(notification(address=hook.url, secret=SECRET))
    ((path, headers, body),) = hook.requests
    assert path == "/alerts/k3y"
    assert headers["Idempotency-Key"] == "heitu-7-hook"
    expected = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    assert headers["X-Heitu-Signature"] == f"sha256={expected}"
    said = json.loads(body)
    assert said["change"] == "opened"
    assert said["alert"]["text_zh"] == "牛舍过热"
    assert said["alert"]["readings"][0]["value"] == 41.5
    assert said["at"] == "2026-07-01T02:30:00Z"


def test_without_a_secret_there_is_no_signature() -> None:
    with hooked() as hook:
        WebhookSender().send(notification(address=hook.url))
    assert "X-Heitu-Signature" not in hook.requests[0][1]


@pytest.mark.parametrize(
    ("status", "final"),
    [(400, True), (404, True), (410, True), (408, False), (429, False), (503, False)],
)
def test_a_refusal_is_final_and_trouble_is_not(status: int, final: bool) -> None:
    with (
        hooked(status) as hook,
        pytest.raises(NotificationFailed, match=str(status)) as caught,
    ):
        WebhookSender().send(notification(address=hook.url))
    assert caught.value.final is final


def test_a_redirect_is_not_followed() -> None:
    with hooked() as other, hooked(307, Location=other.url) as hook:
        with pytest.raises(NotificationFailed, match="redirects are not followed"):
            WebhookSender().send(notification(address=hook.url))
        assert other.requests == []


def test_a_webhook_that_is_away_is_tried_again_and_its_address_not_told() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{taken.getsockname()[1]}/k3y"
        with pytest.raises(NotificationFailed, match="no answer") as caught:
            WebhookSender().send(notification(address=address))
    assert not caught.value.final
    assert "k3y" not in str(caught.value)


def test_a_host_that_cannot_be_is_no_answer() -> None:
    with pytest.raises(NotificationFailed, match="LocationParseError"):
        WebhookSender().send(notification(address="http://a..b/"))


def test_a_webhook_that_never_answers_runs_into_the_timeout() -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        address = f"http://127.0.0.1:{mute.getsockname()[1]}/"
        with pytest.raises(NotificationFailed, match="no answer"):
            WebhookSender(timeout=0.05).send(notification(address=address))


class Inbox:
    """Keeps the mails; refuses one address."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []

    async def handle_RCPT(
        self, server: Any, session: Any, envelope: Envelope, address: str, options: Any
    ) -> str:
        if address.startswith("nobody"):
            return "550 no such user"
        if address.startswith("busy"):
            return "451 try later"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Envelope) -> str:
        content = envelope.original_content
        assert content is not None
        mail = email.message_from_bytes(content, policy=default)
        assert isinstance(mail, EmailMessage)
        self.mails.append(mail)
        return "250 OK"


@contextmanager
def mail_server(inbox: Inbox, **settings: Any) -> Iterator[int]:
    # The controller connects to the port it was given: 0 would not do.
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    controller = Controller(inbox, hostname="127.0.0.1", port=port, **settings)
    controller.start()
    try:
        yield port
    finally:
        controller.stop()


def test_a_mail_says_it_in_both_languages() -> None:
    inbox = Inbox()
    with mail_server(inbox) as port:
        server = SmtpServer("127.0.0.1", port, "heitu@example.org", security="none")
        MailSender(server).send(notification(kind="email", address="li@example.org"))
    (mail,) = inbox.mails
    assert mail["Subject"] == "警报（严重）：牛舍过热"
    assert mail["To"] == "li@example.org"
    assert mail["Message-ID"] == "<heitu-7-hook@example.org>"
    text = mail.get_content()
    assert text.startswith("警报（严重）：牛舍过热\r\n农场: meadow")
    assert "Alert (critical): The barn is too hot" in text
    assert "2026-07-01 10:30 UTC+8" in text


def test_the_channels_language_comes_first_and_simulated_is_said() -> None:
    inbox = Inbox()
    with mail_server(inbox) as port:
        server = SmtpServer("127.0.0.1", port, "heitu@example.org", security="none")
        MailSender(server).send(
            notification(
                address="li@example.org",
                language="en",
                simulated=True,
                text_en="Two\r\nBcc: all@example.org",
            )
        )
    (mail,) = inbox.mails
    subject = "[simulated] Alert (critical): Two Bcc: all@example.org"
    assert mail["Subject"] == subject
    assert mail["Bcc"] is None
    assert mail.get_content().startswith(subject)


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Certificate for 127.0.0.1 and its key."""
    folder = tmp_path_factory.mktemp("tls")
    chain, key = folder / "chain.pem", folder / "key.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
            *("-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"),
            *("-keyout", str(key), "-out", str(chain)),
        ],
        check=True,
        capture_output=True,
    )
    return chain, key


def _served(certificate: tuple[Path, Path]) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    return context


def test_with_starttls_it_logs_in(certificate: tuple[Path, Path]) -> None:
    seen: list[object] = []

    def login(
        server: Any, session: Any, envelope: Any, mechanism: str, data: Any
    ) -> AuthResult:
        assert isinstance(data, LoginPassword)
        seen.append((data.login, data.password))
        return AuthResult(success=True)

    inbox = Inbox()
    settings = {
        "tls_context": _served(certificate),
        "require_starttls": True,
        "authenticator": login,
        "auth_required": True,
    }
    with mail_server(inbox, **settings) as port:
        server = SmtpServer(
            "127.0.0.1", port, "h@example.org", "heitu", SecretStr("pass word")
        )
        assert "pass word" not in repr(server)
        trusted = ssl.create_default_context(cafile=str(certificate[0]))
        MailSender(server, context=trusted).send(notification(address="li@a.org"))
    assert seen == [(b"heitu", b"pass word")]
    assert len(inbox.mails) == 1


def test_a_certificate_nobody_trusts_gets_no_password(
    certificate: tuple[Path, Path],
) -> None:
    inbox = Inbox()
    with mail_server(inbox, tls_context=_served(certificate)) as port:
        server = SmtpServer("127.0.0.1", port, "h@a.org", "heitu", SecretStr("p"))
        with pytest.raises(NotificationFailed, match="SSLCertVerificationError"):
            MailSender(server).send(notification(address="li@a.org"))
    assert inbox.mails == []


def test_a_server_without_starttls_gets_nothing() -> None:
    inbox = Inbox()
    with mail_server(inbox) as port:
        server = SmtpServer("127.0.0.1", port, "h@a.org", "heitu", SecretStr("p"))
        with pytest.raises(NotificationFailed, match="SMTPNotSupportedError"):
            MailSender(server).send(notification(address="li@a.org"))
    assert inbox.mails == []


@pytest.mark.parametrize(("name", "final"), [("nobody", True), ("busy", False)])
def test_an_address_that_is_refused(name: str, final: bool) -> None:
    with mail_server(Inbox()) as port:
        server = SmtpServer("127.0.0.1", port, "h@a.org", security="none")
        with pytest.raises(NotificationFailed, match="refused the recipient") as caught:
            MailSender(server).send(notification(address=f"{name}@a.org"))
    assert caught.value.final is final


def test_no_mail_server_is_no_way() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        server = SmtpServer("127.0.0.1", taken.getsockname()[1], "h@a.org")
        with pytest.raises(NotificationFailed, match="no way to the mail server"):
            MailSender(server).send(notification())


class Courier:
    def __init__(self, *here: str) -> None:
        self.here = here
        self.messages: list[tuple[str, bytes]] = []

    def send(self, device_id: str, topic: str, payload: bytes, *, token: Any) -> bool:
        if device_id in self.here:
            self.messages.append((topic, payload))
        return device_id in self.here


def test_a_siren_gets_the_alert_on_its_own_topic() -> None:
    courier = Courier("siren-1")
    told = notification(kind="mqtt", address="siren-1", device_farm="meadow")
    MqttSender([courier]).send(told)
    ((topic, payload),) = courier.messages
    assert topic == "farm/meadow/siren-1/down/alert"
    assert json.loads(payload)["alert"]["id"] == 42


def test_a_siren_that_is_away_is_tried_again_and_an_unknown_one_not() -> None:
    away = notification(kind="mqtt", address="siren-1", device_farm="meadow")
    with pytest.raises(NotificationFailed, match="not connected") as caught:
        MqttSender([Courier()]).send(away)
    assert not caught.value.final
    with pytest.raises(NotificationFailed, match="not registered") as caught:
        MqttSender([Courier()]).send(replace(away, device_farm=None))
    assert caught.value.final
