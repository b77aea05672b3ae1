"""County statistics from yearbook tables, and back into the same tables."""

from ingest.statistics.errors import (
    CropMissing,
    HeaderNotFound,
    NothingTaken,
    OptionContradictory,
    SheetUnknown,
    StatisticsError,
    TableUnreadable,
    TitleNotOfYear,
    UnitContradictory,
    UnitMissing,
    UnitUnknown,
    XlsNotRead,
    YearMissing,
)
from ingest.statistics.export import statistics_csv, statistics_xlsx, write_table
from ingest.statistics.plan import Given
from ingest.statistics.read import read_statistics
from ingest.statistics.settle import Settled, settle
from ingest.statistics.table import Listed, Place, Row, StatisticsTable, Use
from ingest.statistics.units import MEASURES, Measure, Unit, parse_unit, unit_of

__all__ = [
    "MEASURES",
    "CropMissing",
    "Given",
    "HeaderNotFound",
    "Listed",
    "Measure",
    "NothingTaken",
    "OptionContradictory",
    "Place",
    "Row",
    "Settled",
    "SheetUnknown",
    "StatisticsError",
    "StatisticsTable",
    "TableUnreadable",
    "TitleNotOfYear",
    "Unit",
    "UnitContradictory",
    "UnitMissing",
    "UnitUnknown",
    "Use",
    "XlsNotRead",
    "YearMissing",
    "parse_unit",
    "read_statistics",
    "settle",
    "statistics_csv",
    "statistics_xlsx",
    "unit_of",
    "write_table",
]
