"""What holds on every engine."""

from datetime import UTC, date, datetime, timedelta

import numpy as np
import pandas as pd
import psycopg
import pytest

from store import RowRefused
from store.readings import Batch, Outcome, between, latest, recent, reflag, write
from store.series import (
    apply_retention,
    capabilities,
    daily,
    ensure_partitions,
    hourly,
    refresh,
    refresh_hints,
    status,
)
from store.series.batch import to_us
from tests.store.series.conftest import NOON, Engine

MINUTE_US = 60_000_000
HOUR = timedelta(hours=1)


def batch(
    stream: int | list[int],
    times: list[datetime],
    values: list[float],
    *,
    flags: list[int] | None = None,
    correction: bool = False,
) -> Batch:
    count = len(times)
    return Batch(
        stream_id=np.full(count, stream, np.int32),
        time_us=np.array([to_us(time) for time in times], np.int64),
        value=np.array(values, np.float64),
        flag=np.array(flags or [1] * count, np.int16),
        received_us=np.full(count, to_us(NOON), np.int64),
        correction=np.full(count, correction),
    )


def stored(conn: psycopg.Connection) -> list[tuple[int, datetime, float, int]]:
    rows = conn.execute(
        "SELECT stream_id, time, value, flag FROM reading ORDER BY 1, 2"
    )
    return rows.fetchall()


def means(conn: psycopg.Connection, stream: int, start: datetime) -> list[float]:
    return list(hourly(conn, [stream], start, start + 24 * HOUR).mean)


def test_capabilities(engine: Engine) -> None:
    found = capabilities(engine.conn)
    if engine.name == "timescale":
        assert found.engine == "timescale"
        assert found.version.startswith("2.")
        assert found.licence == "timescale"
        assert (found.compression, found.continuous_aggregates) == (True, True)
    else:
        assert (found.engine, found.licence) == ("plain", None)
        assert (found.compression, found.continuous_aggregates) == (False, False)
    assert found.retention


def test_outcomes_of_the_rows_of_a_batch(engine: Engine) -> None:
    a, b, _ = engine.streams
    first = batch([a, a, b], [NOON, NOON + HOUR, NOON], [1.0, 2.0, 3.0])
    again = batch([a, a, b, b], [NOON, NOON, NOON, NOON + HOUR], [1.0, 9.0, 3.0, 4.0])
    assert write(engine.conn, first).tolist() == [Outcome.STORED] * 3
    assert write(engine.conn, again).tolist() == [
        Outcome.DUPLICATE,
        Outcome.CONFLICT,
        Outcome.DUPLICATE,
        Outcome.STORED,
    ]
    assert [row[2] for row in stored(engine.conn)] == [1.0, 2.0, 3.0, 4.0]


def test_correction_keeps_the_old_value_and_changes_the_hour(engine: Engine) -> None:
    conn, stream = engine.conn, engine.streams[0]
    write(conn, batch(stream, [NOON, NOON + HOUR / 2], [10.0, 20.0], flags=[3, 1]))
    conn.commit()
    refresh(conn)
    assert means(conn, stream, NOON) == [20.0]
    other = batch(stream, [NOON], [40.0], flags=[2], correction=True)
    assert write(conn, other).tolist() == [Outcome.CORRECTED]
    assert write(conn, other).tolist() == [Outcome.DUPLICATE]
    assert means(conn, stream, NOON) == [30.0]
    kept = conn.execute("SELECT stream_id, time, value, flag FROM reading_correction")
    assert kept.fetchall() == [(stream, NOON, 10.0, 3)]
    conn.execute("DELETE FROM reading_correction")
    conn.commit()


def test_row_far_outside_the_partitions_wedges_nothing(engine: Engine) -> None:
    conn, stream = engine.conn, engine.streams[0]
    far = [datetime(2001, 2, 3, tzinfo=UTC), NOON, datetime(2030, 1, 1, tzinfo=UTC)]
    assert write(conn, batch(stream, far, [1.0, 2.0, 3.0])).tolist() == [0, 0, 0]
    conn.commit()
    assert write(conn, batch(stream, [NOON + HOUR], [4.0])).tolist() == [0]
    assert [row[1] for row in stored(conn)] == [far[0], NOON, NOON + HOUR, far[2]]


def test_week_that_was_rolled_back_is_made_again(engine: Engine) -> None:
    conn, stream = engine.conn, engine.streams[0]
    for _ in range(2):
        with conn.transaction(force_rollback=True):
            assert write(conn, batch(stream, [NOON], [1.0])).tolist() == [0]
    assert stored(conn) == []


# timescale/timescaledb#7672: an INSERT stopped at the first conflict.
def test_200_000_duplicates_leave_the_rows_as_they_are(engine: Engine) -> None:
    conn, count = engine.conn, 10_000
    series = Batch(
        stream_id=np.resize(np.array(engine.streams, np.int32), count),
        time_us=to_us(NOON) + np.arange(count) // 3 * 2 * MINUTE_US,
        value=np.arange(count) / 8,
        flag=np.ones(count, np.int16),
        received_us=np.full(count, to_us(NOON)),
        correction=np.zeros(count, np.bool_),
    )
    assert (write(conn, series) == Outcome.STORED).all()
    for _ in range(20):
        assert (write(conn, series) == Outcome.DUPLICATE).all()
    row = conn.execute("SELECT count(*), sum(value) FROM reading").fetchone()
    assert row == (count, float(np.arange(count).sum() / 8))


def oracle(batches: list[Batch]) -> pd.DataFrame:
    """Return hours by pandas: mean, minimum, maximum, last of good readings, counts."""
    frame = pd.DataFrame(
        {
            "stream": np.concatenate([b.stream_id for b in batches]),
            "time": pd.to_datetime(
                np.concatenate([b.time_us for b in batches]), unit="us", utc=True
            ),
            "value": np.concatenate([b.value for b in batches]),
            "flag": np.concatenate([b.flag for b in batches]),
        }
    ).sort_values("time")
    frame["good"] = frame.value.where(frame.flag <= 2)
    by_hour = frame.set_index("time").groupby("stream").resample("1h")
    hours = by_hour["good"].agg(["count", "mean", "min", "max", "last"])
    hours["all"] = by_hour["value"].count()
    return hours[hours["all"] > 0].rename(columns={"count": "n"})


def test_hours_agree_with_pandas_before_and_after_refresh(engine: Engine) -> None:
    conn, rng = engine.conn, np.random.default_rng(3)
    batches = []
    shuffled = rng.permutation(6_000)
    for number in range(4):
        minutes = shuffled[number::4][:700]
        count = len(minutes)
        batches.append(
            Batch(
                stream_id=rng.choice(engine.streams, count).astype(np.int32),
                # Sunday to Thursday: over the end of a week.
                time_us=to_us(NOON - timedelta(days=3)) + minutes * MINUTE_US,
                value=rng.normal(20, 5, count).round(2),
                flag=rng.choice([1, 2, 3, 4, 9], count).astype(np.int16),
                received_us=np.full(count, to_us(NOON)),
                correction=np.zeros(count, np.bool_),
            )
        )
        write(conn, batches[-1])
        conn.commit()
        for _ in range(2):
            expected = oracle(batches)
            found = hourly(
                conn, engine.streams, NOON - timedelta(days=3), NOON + timedelta(days=9)
            )
            keys = expected.index.get_level_values
            assert found.stream_id.tolist() == keys("stream").tolist()
            assert found.start_us.tolist() == [to_us(time) for time in keys("time")]
            assert found.n.tolist() == expected["n"].tolist()
            assert found.bad_n.tolist() == (expected["all"] - expected["n"]).tolist()
            for name in ("mean", "min", "max", "last"):
                np.testing.assert_allclose(getattr(found, name), expected[name])
            conn.commit()
            # The second round sees hours that are materialised, all or some.
            refresh(conn, before=NOON - timedelta(days=2) + number * 12 * HOUR)


def test_late_reading_shows_in_the_mean_at_once(engine: Engine) -> None:
    conn, stream = engine.conn, engine.streams[0]
    write(conn, batch(stream, [NOON], [10.0]))
    conn.commit()
    assert refresh(conn) == 1
    assert refresh(conn) == 0
    write(conn, batch(stream, [NOON + HOUR / 4], [20.0]))
    assert means(conn, stream, NOON) == [15.0]
    conn.commit()
    assert refresh(conn) == 1
    assert means(conn, stream, NOON) == [15.0]
    assert status(conn).marked_hours == 0


def test_bad_readings_are_counted_but_not_in_the_mean(engine: Engine) -> None:
    conn, stream = engine.conn, engine.streams[0]
    times = [NOON + timedelta(minutes=n) for n in range(5)]
    values = [1.0, 3.0, 100.0, 200.0, 300.0]
    write(conn, batch(stream, times, values, flags=[1, 2, 3, 4, 9]))
    hours = hourly(conn, [stream], NOON, NOON + HOUR)
    assert (hours.n.tolist(), hours.bad_n.tolist()) == ([2], [3])
    assert (hours.mean.tolist(), hours.last.tolist()) == ([2.0], [3.0])


def test_hour_of_bad_readings_only_has_no_mean(engine: Engine) -> None:
    conn, stream = engine.conn, engine.streams[0]
    write(conn, batch(stream, [NOON], [100.0], flags=[4]))
    conn.commit()
    for _ in range(2):
        hours = hourly(conn, [stream], NOON, NOON + HOUR)
        assert (hours.n.tolist(), hours.bad_n.tolist()) == ([0], [1])
        assert np.isnan([hours.mean, hours.min, hours.max, hours.last]).all()
        conn.commit()
        refresh(conn)


def test_largest_values_of_an_hour_have_a_sum(engine: Engine) -> None:
    """A sum beyond float64 would be refused, and with it the hours of everybody."""
    conn, stream = engine.conn, engine.streams[0]
    times = [NOON + timedelta(minutes=n) for n in range(4)]
    with pytest.raises(RowRefused, match="beyond 1e"):
        write(conn, batch(stream, times, [1.7e308] * 4))
    conn.rollback()
    write(conn, batch(stream, times, [1e300] * 4))
    conn.commit()
    for _ in range(2):
        assert means(conn, stream, NOON) == [1e300]
        conn.commit()
        refresh(conn)


def test_flag_that_is_revised_leaves_the_mean(engine: Engine) -> None:
    conn, stream = engine.conn, engine.streams[0]
    write(conn, batch(stream, [NOON, NOON + HOUR / 2], [10.0, 90.0]))
    conn.commit()
    refresh(conn)
    keys = np.array([stream, stream], np.int32)
    times = np.array([to_us(NOON), to_us(NOON + HOUR / 2)])
    flags = np.array([1, 4], np.int16)
    assert reflag(conn, keys, times, flags) == 1
    assert means(conn, stream, NOON) == [10.0]
    assert reflag(conn, keys, times, flags) == 0


def test_day_begins_at_local_midnight(engine: Engine) -> None:
    conn, stream = engine.conn, engine.streams[0]
    # 23:59 and 00:00 in Changchun (UTC+8).
    times = [
        datetime(2026, 7, 1, 15, 59, tzinfo=UTC),
        datetime(2026, 7, 1, 16, tzinfo=UTC),
    ]
    write(conn, batch(stream, times, [1.0, 5.0]))
    conn.commit()
    for _ in range(2):
        days = daily(conn, [stream], date(2026, 7, 1), date(2026, 7, 3))
        assert days.mean.tolist() == [1.0, 5.0]
        assert days.start_us.tolist() == [
            to_us(datetime(2026, 6, 30, 16, tzinfo=UTC)),
            to_us(datetime(2026, 7, 1, 16, tzinfo=UTC)),
        ]
        in_utc = daily(conn, [stream], date(2026, 7, 1), date(2026, 7, 2), utc_hours=0)
        assert (in_utc.n.tolist(), in_utc.mean.tolist()) == ([2], [3.0])
        assert in_utc.last.tolist() == [5.0]
        assert len(daily(conn, [stream], date(2026, 7, 2), date(2026, 7, 2))) == 0
        conn.commit()
        refresh(conn)


def test_retention_drops_readings_and_keeps_their_hours(engine: Engine) -> None:
    conn, stream = engine.conn, engine.streams[0]
    old = NOON - timedelta(days=60)
    write(conn, batch(stream, [old, old + HOUR / 2, NOON], [10.0, 20.0, 30.0]))
    conn.commit()
    assert apply_retention(conn, timedelta(days=30), now=NOON) == 1
    assert [row[2] for row in stored(conn)] == [30.0]
    assert means(conn, stream, old) == [15.0]
    conn.commit()
    # Too late: stored, but no mean of one of three.
    assert write(conn, batch(stream, [old + HOUR / 4], [99.0])).tolist() == [0]
    assert means(conn, stream, old) == [15.0]
    # An hour nobody knew is shown, and stays when its reading goes.
    assert write(conn, batch(stream, [old + HOUR], [7.0])).tolist() == [0]
    conn.commit()
    assert means(conn, stream, old) == [15.0, 7.0]
    conn.commit()
    refresh(conn)
    assert means(conn, stream, old) == [15.0, 7.0]
    conn.commit()
    assert apply_retention(conn, timedelta(days=30), now=NOON) == 1
    assert means(conn, stream, old) == [15.0, 7.0]
    assert status(conn).kept_from == datetime(2026, 6, 1, tzinfo=UTC)


def test_late_hour_that_comes_in_pieces_is_kept_whole(engine: Engine) -> None:
    conn, stream = engine.conn, engine.streams[0]
    apply_retention(conn, timedelta(days=30), now=NOON)
    old = NOON - timedelta(days=60)
    for piece, value in enumerate((10.0, 40.0)):
        write(conn, batch(stream, [old + piece * HOUR / 4], [value]))
        conn.commit()
        refresh(conn)
    assert means(conn, stream, old) == [25.0]
    conn.commit()
    assert status(conn).marked_hours == 0
    conn.commit()
    apply_retention(conn, timedelta(days=30), now=NOON)
    assert means(conn, stream, old) == [25.0]
    write(conn, batch(stream, [old + HOUR / 2], [99.0]))
    assert means(conn, stream, old) == [25.0]


def test_newest_reading_is_found_with_hints_that_are_behind(engine: Engine) -> None:
    conn = engine.conn
    a, b, c = engine.streams
    for number in range(6):
        time = NOON + timedelta(days=7 * number)
        write(conn, batch([a, b], [time, time - HOUR], [float(number), 50.0 + number]))
        conn.commit()
        assert [row.value for row in latest(conn, "c1")] == [number, 50.0 + number]
        newest = recent(conn, engine.streams, count=1)
        assert newest.stream_id.tolist() == [a, b]
        assert newest.value.tolist() == [number, 50.0 + number]
        conn.commit()
        if number % 2 == 0:
            assert refresh_hints(conn) == 2
    assert refresh_hints(conn) == 2
    assert c not in newest.stream_id


def test_reading_older_than_a_hint_that_retention_outlived(engine: Engine) -> None:
    conn, stream = engine.conn, engine.streams[0]
    write(conn, batch(stream, [NOON], [1.0]))
    conn.commit()
    refresh_hints(conn)
    apply_retention(conn, timedelta(days=30), now=NOON + timedelta(days=90))
    assert latest(conn, "c1") == []
    write(conn, batch(stream, [NOON - timedelta(days=7)], [2.0]))
    assert [row.value for row in latest(conn, "c1")] == [2.0]


def test_recent_readings_before_a_time(engine: Engine) -> None:
    conn = engine.conn
    a, b, _ = engine.streams
    times = [NOON + n * 5 * 24 * HOUR for n in range(6)]
    write(conn, batch([a] * 6, times, [0.0, 1, 2, 3, 4, 5]))
    write(conn, batch([b], [NOON], [9.0]))
    newest = recent(conn, [b, a], count=2)
    assert (newest.stream_id.tolist(), newest.value.tolist()) == ([a, a, b], [4, 5, 9])
    earlier = recent(conn, [a, b], count=2, before_us=to_us(times[3]))
    assert earlier.value.tolist() == [1, 2, 9]
    assert earlier.time_us.tolist() == [to_us(times[1]), to_us(times[2]), to_us(NOON)]


def test_between_over_the_end_of_a_week(engine: Engine) -> None:
    conn, stream = engine.conn, engine.streams[0]
    monday = datetime(2026, 7, 6, tzinfo=UTC)
    times = [monday - HOUR, monday, monday + HOUR]
    write(conn, batch(stream, times, [1.0, 2.0, 3.0]))
    found = between(conn, "c1", start=monday - HOUR, end=monday + HOUR, limit=9)
    assert [(row.time, row.value) for row in found] == [(times[0], 1.0), (monday, 2.0)]


def test_partitions_are_made_once(engine: Engine) -> None:
    start, end = NOON, NOON + timedelta(days=7)
    made = ensure_partitions(engine.conn, start, end)
    if engine.name == "timescale":
        assert made == []
    else:
        mondays = [datetime(2026, 6, 29, tzinfo=UTC), datetime(2026, 7, 6, tzinfo=UTC)]
        assert made == mondays
    assert ensure_partitions(engine.conn, start, end) == []


@pytest.mark.parametrize("hours", [1, 2])
def test_hours_begin_at_or_after_the_start(engine: Engine, hours: int) -> None:
    conn, stream = engine.conn, engine.streams[0]
    write(conn, batch(stream, [NOON + n * HOUR for n in range(4)], [0.0, 1, 2, 3]))
    begin = NOON + timedelta(minutes=30)
    found = hourly(conn, [stream], begin, begin + hours * HOUR)
    assert found.mean.tolist() == [1.0, 2.0][:hours]
