"""What can be wrong with a run of WOFOST.

models.errors.ModelError
└── WofostError
    ├── WofostMissing (also an ImportError)
    ├── WofostWeatherInvalid
    ├── SettingUnknown
    └── SimulationFailed
"""

from models.errors import ModelError

__all__ = [
    "SettingUnknown",
    "SimulationFailed",
    "WofostError",
    "WofostMissing",
    "WofostWeatherInvalid",
]


class WofostError(ModelError):
    """Base of what the process model refuses."""


class WofostMissing(WofostError, ImportError):
    """The package pcse is not installed."""

    def __init__(self) -> None:
        super().__init__(
            "WOFOST needs the package pcse (licence EUPL-1.2): install it with "
            "`pip install 'heitu[wofost]'`"
            " · WOFOST 需要 pcse 软件包（EUPL-1.2 许可），请运行 "
            "`pip install 'heitu[wofost]'` 安装"
        )


class WofostWeatherInvalid(WofostError):
    """The weather lacks a day or a value."""


class SettingUnknown(WofostError):
    """A parameter, mode or number that a run cannot take."""


class SimulationFailed(WofostError):
    """WOFOST did not come to a harvest."""
