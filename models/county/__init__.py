"""A county model for any table of regions and years, tested before it is believed."""

from models.county.columns import Moment, moment, series_columns
from models.county.doubts import doubts
from models.county.evaluate import (
    Cut,
    Errors,
    Evaluation,
    Score,
    default_leads,
    evaluate,
    score,
)
from models.county.forecast import Forecast, Protocol, forecast
from models.county.status import Judgement, Status, judge
from models.county.table import Series, Table, TooFewYears, read_table

__all__ = [
    "Cut",
    "Errors",
    "Evaluation",
    "Forecast",
    "Judgement",
    "Moment",
    "Protocol",
    "Score",
    "Series",
    "Status",
    "Table",
    "TooFewYears",
    "default_leads",
    "doubts",
    "evaluate",
    "forecast",
    "judge",
    "moment",
    "read_table",
    "score",
    "series_columns",
]
