"""Yield monitors: raw points of a combine in, yields that can be trusted out."""

from models.yield_monitor.clean import COLUMNS, MOST_T_HA, Cleaned, Settings, clean
from models.yield_monitor.delay import Delay, DelayStatus
from models.yield_monitor.errors import (
    MeasureMissing,
    MonitorError,
    NoPoints,
    UnitsMixed,
    UnitUnknown,
)
from models.yield_monitor.gridding import YieldGrid, grid_for, grid_points
from models.yield_monitor.reasons import (
    REASON_WORDING,
    TREATMENT_WORDING,
    Reason,
    Treatment,
)
from models.yield_monitor.summary import (
    FieldMean,
    MeanStatus,
    field_mean,
    reason_table,
)
from models.yield_monitor.units import (
    BUSHEL_LB,
    CHINA_MOISTURE,
    US_MOISTURE,
    at_moisture,
    flow_kg_s,
    one_unit,
    yield_t_ha,
)

__all__ = [
    "BUSHEL_LB",
    "CHINA_MOISTURE",
    "COLUMNS",
    "MOST_T_HA",
    "REASON_WORDING",
    "TREATMENT_WORDING",
    "US_MOISTURE",
    "Cleaned",
    "Delay",
    "DelayStatus",
    "FieldMean",
    "MeanStatus",
    "MeasureMissing",
    "MonitorError",
    "NoPoints",
    "Reason",
    "Settings",
    "Treatment",
    "UnitUnknown",
    "UnitsMixed",
    "YieldGrid",
    "at_moisture",
    "clean",
    "field_mean",
    "flow_kg_s",
    "grid_for",
    "grid_points",
    "one_unit",
    "reason_table",
    "yield_t_ha",
]
