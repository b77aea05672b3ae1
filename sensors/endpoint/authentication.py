"""Who may come in: what a device shows, and who looks at it."""

import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol

from sensors.endpoint.errors import AuthenticatorUnavailable
from sensors.rights import Principal

__all__ = [
    "Authenticator",
    "AuthenticatorUnavailable",
    "Login",
    "Principal",
    "Refusal",
    "StaticAuthenticator",
]


@dataclass(frozen=True, slots=True)
class Login:
    """What a device shows at the door.

    ``device_id`` is its MQTT user name; ``client_id`` is whatever it calls itself.
    ``address`` is the numeric IP address it comes from.
    """

    device_id: str
    client_id: str
    password: bytes = field(repr=False)
    address: str


class Refusal(Enum):
    """Why a login is refused."""

    # No such device, or not this password: nobody is told which.
    CREDENTIALS = "credentials"
    # The device is known and must not connect: revoked, or not in service.
    NOT_ALLOWED = "not allowed"


class Authenticator(Protocol):
    """Says who may come in."""

    def authenticate(self, logins: Sequence[Login]) -> list[Principal | Refusal]:
        """Answer each login, in order; may block, called in a thread for this alone.

        Must take as long for an unknown device as for a wrong password.

        Raises
        ------
        AuthenticatorUnavailable
            It cannot be said now; all of `logins` are told to try again later.
        """


class StaticAuthenticator:
    """Devices known beforehand, for tests and small installations.

    Parameters
    ----------
    devices
        By device id: the password and who comes in with it.
    """

    def __init__(self, devices: Mapping[str, tuple[bytes, Principal]]) -> None:
        self._devices = dict(devices)

    def authenticate(self, logins: Sequence[Login]) -> list[Principal | Refusal]:
        """Answer each login, in order."""
        return [self._answer(login) for login in logins]

    def _answer(self, login: Login) -> Principal | Refusal:
        password, principal = self._devices.get(login.device_id, (b"", None))
        # Compared for an unknown device too, so that both take the same time.
        right = hmac.compare_digest(password, login.password)
        return principal if right and principal is not None else Refusal.CREDENTIALS
