"""Growth of crops against past years, and the signals beside it. Pure."""

from models.growth.calendar import CALENDARS, CropCalendar, Stage, calendar_of
from models.growth.grading import GRADES, LIMITS, Basis, Grading, grade_of
from models.growth.measures import STATUS_REASONS, GrowthStatus, Measures, measures
from models.growth.pixels import LAYERS, SCALES, grade_block, layer_attributes, seen
from models.growth.signals import LEVELS, Level, Signal, SignalStatus
from models.growth.temperature import temperature_signals
from models.growth.vegetation import (
    phenology_signals,
    temperature_condition,
    vegetation_health,
    vhi_signal,
    water_index_signal,
)
from models.growth.water import hargreaves, standardised_balance, water_signals
from models.growth.weather import PlaceWeather, place_weather
from models.growth.zones import ZoneYears, grade_zones, growth_table, zone_years

__all__ = [
    "CALENDARS",
    "GRADES",
    "LAYERS",
    "LEVELS",
    "LIMITS",
    "SCALES",
    "STATUS_REASONS",
    "Basis",
    "CropCalendar",
    "Grading",
    "GrowthStatus",
    "Level",
    "Measures",
    "PlaceWeather",
    "Signal",
    "SignalStatus",
    "Stage",
    "ZoneYears",
    "calendar_of",
    "grade_block",
    "grade_of",
    "grade_zones",
    "growth_table",
    "hargreaves",
    "layer_attributes",
    "measures",
    "phenology_signals",
    "place_weather",
    "seen",
    "standardised_balance",
    "temperature_condition",
    "temperature_signals",
    "vegetation_health",
    "vhi_signal",
    "water_index_signal",
    "water_signals",
    "zone_years",
]
