"""Errors of rules and alerts.

SensorsError
└── RuleInvalid
    └── ExpressionInvalid
"""

from sensors.errors import SensorsError

__all__ = ["ExpressionInvalid", "RuleInvalid"]


class RuleInvalid(SensorsError):
    """A rule that cannot be evaluated; ``field`` names the part at fault."""

    def __init__(self, message: str, *, field: str) -> None:
        super().__init__(message)
        self.field = field


class ExpressionInvalid(RuleInvalid):
    """An expression outside the small language of rules."""
