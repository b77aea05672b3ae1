"""Errors of notifications.

SensorsError
├── ChannelInvalid
└── NotificationFailed
"""

from sensors.errors import SensorsError

__all__ = ["ChannelInvalid", "NotificationFailed"]


class ChannelInvalid(SensorsError):
    """A channel that nothing could be sent over."""


class NotificationFailed(SensorsError):
    """A channel did not take a notification; ``final`` when it never will."""

    def __init__(self, message: str, *, final: bool = False) -> None:
        super().__init__(message)
        self.final = final
