"""The MQTT listener for devices."""

from sensors.endpoint.authentication import (
    Authenticator,
    Login,
    Principal,
    Refusal,
    StaticAuthenticator,
)
from sensors.endpoint.endpoint import Endpoint
from sensors.endpoint.errors import (
    AddressUnusable,
    AuthenticatorUnavailable,
    CertificateInvalid,
    EndpointError,
    PortTaken,
)
from sensors.endpoint.limits import Limits
from sensors.endpoint.presence import Presence
from sensors.endpoint.service import EndpointCounts
from sensors.endpoint.tls import Tls

__all__ = [
    "AddressUnusable",
    "Authenticator",
    "AuthenticatorUnavailable",
    "CertificateInvalid",
    "Endpoint",
    "EndpointCounts",
    "EndpointError",
    "Limits",
    "Login",
    "PortTaken",
    "Presence",
    "Principal",
    "Refusal",
    "StaticAuthenticator",
    "Tls",
]
