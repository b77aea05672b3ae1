"""Three ways to tell: webhook, e-mail, MQTT. Each sends one notification or raises."""

import hashlib
import hmac
import smtplib
import ssl
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from email.message import EmailMessage
from typing import Literal, Protocol

import requests
from pydantic import SecretStr
from urllib3.exceptions import HTTPError

from sensors.commands.dispatcher import Courier
from sensors.notify.errors import NotificationFailed
from sensors.notify.wording import body, key, mail_text, subject
from store.notifications import Notification

__all__ = [
    "MailSender",
    "MqttSender",
    "Sender",
    "SmtpServer",
    "WebhookSender",
    "signature",
]

TIMEOUT_S = 10.0
# The receiver is busy or asks for a pause; anything else below 500 stays as it is.
RETRIED = frozenset({408, 425, 429})


class Sender(Protocol):
    """One way to tell."""

    def send(self, notification: Notification) -> None:
        """Tell; returns when the other side took it.

        Raises
        ------
        NotificationFailed
        """


def signature(secret: str, payload: bytes) -> str:
    """Return ``sha256=`` and the HMAC-SHA256 (RFC 2104) of a payload, hexadecimal."""
    digest = hmac.new(secret.encode(), payload, hashlib.sha256).hexdigest()
    return f"sha256={digest}"


class WebhookSender:
    """Posts JSON to an http or https URL.

    Headers: ``Idempotency-Key``, the same in every attempt, and ``X-Heitu-Signature``
    where the channel has a secret. Redirects are not followed: the signed alert would
    go to a host that nobody named.
    """

    def __init__(self, *, timeout: float = TIMEOUT_S) -> None:
        self._timeout = timeout

    def send(self, notification: Notification) -> None:
        """Post a notification.

        Raises
        ------
        NotificationFailed
            No answer in time, or one other than 2xx.
        """
        payload = body(notification)
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "Idempotency-Key": key(notification),
            "User-Agent": "heitu",
        }
        if notification.secret is not None:
            headers["X-Heitu-Signature"] = signature(notification.secret, payload)
        try:
            # The body of the answer is not read: it could come for ever.
            with requests.post(
                notification.address,
                data=payload,
                headers=headers,
                timeout=self._timeout,
                allow_redirects=False,
                stream=True,
            ) as response:
                status = response.status_code
        # Of a host that cannot be, requests lets some of urllib3's errors through.
        except (requests.RequestException, HTTPError, UnicodeError) as error:
            # Its text holds the URL, whose path may be a key.
            raise NotificationFailed(
                f"no answer from the webhook ({type(error).__name__})"
            ) from None
        _check_status(status)


def _check_status(status: int) -> None:
    if 200 <= status < 300:
        return
    if 300 <= status < 400:
        message = f"the webhook answered {status}: redirects are not followed"
        raise NotificationFailed(message, final=True)
    final = 400 <= status < 500 and status not in RETRIED
    raise NotificationFailed(f"the webhook answered {status}", final=final)


@dataclass(frozen=True, slots=True)
class SmtpServer:
    """Mail server for notifications.

    Attributes
    ----------
    host, port
        Where it listens.
    sender
        Address that mails come from.
    username, password
        For its login; None for none.
    security
        ``starttls`` (usual on port 587), ``tls`` from the first byte (port 465), or
        ``none``, which never sends a password.
    """

    host: str
    port: int
    sender: str
    username: str | None = None
    password: SecretStr | None = None
    security: Literal["starttls", "tls", "none"] = "starttls"


class MailSender:
    """Sends mails through one server.

    Parameters
    ----------
    server
        The server.
    context
        What certificates are trusted; None: those that the system trusts.
    timeout
        Seconds to wait for each answer of the server.
    """

    def __init__(
        self,
        server: SmtpServer,
        *,
        context: ssl.SSLContext | None = None,
        timeout: float = TIMEOUT_S,
    ) -> None:
        self._server = server
        self._context = context or ssl.create_default_context()
        self._timeout = timeout

    def send(self, notification: Notification) -> None:
        """Mail a notification.

        Raises
        ------
        NotificationFailed
            The server did not answer, or refused the login, the mail or the address.
        """
        mail = self._mail(notification)
        try:
            with self._connected() as smtp:
                smtp.send_message(mail)
        except smtplib.SMTPRecipientsRefused as error:
            codes = [code for code, _ in error.recipients.values()]
            message = f"the mail server refused the recipient ({codes})"
            final = all(code >= 500 for code in codes)
            raise NotificationFailed(message, final=final) from None
        except smtplib.SMTPResponseException as error:
            raise NotificationFailed(
                f"the mail server answered {error.smtp_code}"
            ) from None
        except (smtplib.SMTPException, OSError) as error:
            raise NotificationFailed(
                f"no way to the mail server ({type(error).__name__})"
            ) from None

    def _mail(self, notification: Notification) -> EmailMessage:
        mail = EmailMessage()
        mail["Subject"] = subject(notification, notification.language)
        mail["From"] = self._server.sender
        mail["To"] = notification.address
        # The same in every attempt: mail programs show such a mail once.
        domain = self._server.sender.rpartition("@")[2] or "heitu"
        mail["Message-ID"] = f"<{key(notification)}@{domain}>"
        mail["Auto-Submitted"] = "auto-generated"
        mail.set_content(mail_text(notification))
        return mail

    def _connected(self) -> smtplib.SMTP:
        server = self._server
        if server.security == "tls":
            smtp: smtplib.SMTP = smtplib.SMTP_SSL(
                server.host, server.port, timeout=self._timeout, context=self._context
            )
        else:
            smtp = smtplib.SMTP(server.host, server.port, timeout=self._timeout)
        # Closed if the login fails; else by the caller.
        with ExitStack() as stack:
            stack.callback(smtp.close)
            self._log_in(smtp)
            stack.pop_all()
        return smtp

    def _log_in(self, smtp: smtplib.SMTP) -> None:
        server = self._server
        if server.security == "starttls":
            # Raises where the server does not offer it: nothing goes out in the clear.
            smtp.starttls(context=self._context)
        if server.username and server.password and server.security != "none":
            smtp.login(server.username, server.password.get_secret_value())


class MqttSender:
    """Publishes to a device: a siren, a lamp, a display.

    Parameters
    ----------
    couriers
        Asked in their order until one takes the message.
    """

    def __init__(self, couriers: Sequence[Courier]) -> None:
        self._couriers = tuple(couriers)

    def send(self, notification: Notification) -> None:
        """Publish on ``farm/<farm>/<device>/down/alert``.

        Raises
        ------
        NotificationFailed
            The device is not registered, or not connected.
        """
        device, farm = notification.address, notification.device_farm
        if farm is None:
            message = f"device {device!r} of the channel is not registered"
            raise NotificationFailed(message, final=True)
        topic, payload = f"farm/{farm}/{device}/down/alert", body(notification)
        token = key(notification)
        if not any(c.send(device, topic, payload, token=token) for c in self._couriers):
            raise NotificationFailed(f"device {device!r} is not connected")
