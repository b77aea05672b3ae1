"""Errors of the MQTT endpoint.

SensorsError
└── EndpointError
    ├── AddressUnusable
    ├── AuthenticatorUnavailable
    ├── CertificateInvalid
    └── PortTaken
"""

from sensors.errors import SensorsError

__all__ = [
    "AddressUnusable",
    "AuthenticatorUnavailable",
    "CertificateInvalid",
    "EndpointError",
    "PortTaken",
]


class EndpointError(SensorsError):
    """Anything that goes wrong with the endpoint itself."""


class AddressUnusable(EndpointError):
    """The host is no address of this machine, or the port needs more rights."""


class AuthenticatorUnavailable(EndpointError):
    """Nobody can say now whether a credential is right: the device tries again."""


class CertificateInvalid(EndpointError):
    """The certificate, its key or the list of authorities cannot be used."""


class PortTaken(EndpointError):
    """Another program listens on the port."""
