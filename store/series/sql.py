"""Pieces of SQL that several modules share."""

from typing import LiteralString

__all__ = ["OF_READINGS", "moment"]

# An hour of one stream, of its readings: the columns of reading_hour after the key.
OF_READINGS: LiteralString = (
    "count(*) FILTER (WHERE flag <= 2) AS n,"
    " count(*) FILTER (WHERE flag > 2) AS bad_n,"
    " sum(value) FILTER (WHERE flag <= 2) AS sum,"
    " min(value) FILTER (WHERE flag <= 2) AS min,"
    " max(value) FILTER (WHERE flag <= 2) AS max,"
    " max(time) FILTER (WHERE flag <= 2) AS last_time,"
    " (array_agg(value ORDER BY time DESC) FILTER (WHERE flag <= 2))[1] AS last"
)


def moment(microseconds: LiteralString) -> LiteralString:
    """Return SQL for the time that is some microseconds after 1970 UTC.

    Exact, as float8 counts microseconds exactly up to the year 2255.
    """
    return f"(timestamptz 'epoch' + {microseconds} * interval '1 microsecond')"
