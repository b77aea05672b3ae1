"""Errors of commands.

SensorsError
└── CommandInvalid
"""

from sensors.errors import SensorsError

__all__ = ["CommandInvalid"]


class CommandInvalid(SensorsError):
    """A command that the device could not carry out, or that is no command."""
