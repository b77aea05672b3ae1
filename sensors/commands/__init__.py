"""Commands to valves and fans, from a wish to a reported state."""

from sensors.commands.checks import STALE_S, check_desired, doubt
from sensors.commands.dispatcher import Courier, Dispatcher, Sent
from sensors.commands.errors import CommandInvalid
from sensors.commands.sending import message, order, topic

__all__ = [
    "STALE_S",
    "CommandInvalid",
    "Courier",
    "Dispatcher",
    "Sent",
    "check_desired",
    "doubt",
    "message",
    "order",
    "topic",
]
