"""WOFOST 7.2 by the optional package pcse: runs, and leaf area assimilated."""

from models.wofost.ensemble import (
    SPREAD,
    Ensemble,
    LeafArea,
    UseStatus,
    assimilate,
    kalman,
)
from models.wofost.errors import (
    SettingUnknown,
    SimulationFailed,
    WofostError,
    WofostMissing,
    WofostWeatherInvalid,
)
from models.wofost.run import Growing, Parameters, Run, reference_maize, simulate
from models.wofost.weather import CountyWeather, county_weather

__all__ = [
    "SPREAD",
    "CountyWeather",
    "Ensemble",
    "Growing",
    "LeafArea",
    "Parameters",
    "Run",
    "SettingUnknown",
    "SimulationFailed",
    "UseStatus",
    "WofostError",
    "WofostMissing",
    "WofostWeatherInvalid",
    "assimilate",
    "county_weather",
    "kalman",
    "reference_maize",
    "simulate",
]
