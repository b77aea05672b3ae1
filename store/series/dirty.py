"""Marks on the hours whose rollups are behind their readings."""

import numpy as np
import psycopg
from numpy.typing import NDArray

from store.series.sql import moment

__all__ = ["HOUR_US", "mark"]

HOUR_US = 3_600_000_000


def mark(
    conn: psycopg.Connection,
    stream_id: NDArray[np.int32],
    time_us: NDArray[np.int64],
) -> None:
    """Mark the hours of changed readings: one row for each hour of the batch.

    Parameters
    ----------
    conn
        Connection inside the transaction of the change.
    stream_id, time_us
        Keys, shape (n,); microseconds since 1970 UTC.
    """
    if not len(stream_id):
        return
    hour = time_us // HOUR_US
    order = np.lexsort((stream_id, hour))
    hours, streams = hour[order], stream_id[order]
    once = np.ones(len(order), np.bool_)
    once[1:] = (hours[1:] != hours[:-1]) | (streams[1:] != streams[:-1])
    hours, streams = hours[once], streams[once]
    begins = np.flatnonzero(np.append(True, hours[1:] != hours[:-1]))
    parts = np.split(streams, begins[1:])
    with conn.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO rollup_dirty (hour, streams)"
            f" VALUES ({moment('%s::int8')}, %b::int4[])",
            [
                (int(hours[begin]) * HOUR_US, part.tolist())
                for begin, part in zip(begins, parts, strict=True)
            ],
        )
