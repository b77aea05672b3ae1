"""What only TimescaleDB does, and the bugs it had around conflicts and compression."""

from datetime import UTC, datetime, timedelta

import numpy as np
import psycopg
import pytest

from store.readings import Batch, Outcome, recent, reflag, write
from store.series import (
    apply_retention,
    capabilities,
    compress,
    hourly,
    migrate,
    refresh,
    rollups,
    timescale,
)
from store.series.batch import to_us
from store.series.maintenance import alone, committing
from tests.store.series.conftest import NOON, Engine, streams_of

HOUR = timedelta(hours=1)
OLD = datetime(2026, 5, 4, tzinfo=UTC)


def series(streams: list[int], count: int, *, start: datetime = OLD) -> Batch:
    """Return readings of streams in turn, a minute apart; value is the number."""
    return Batch(
        stream_id=np.resize(np.array(streams, np.int32), count),
        time_us=to_us(start) + np.arange(count) * 60_000_000,
        value=np.arange(count, dtype=np.float64),
        flag=np.ones(count, np.int16),
        received_us=np.full(count, to_us(NOON)),
        correction=np.zeros(count, np.bool_),
    )


def rows(conn: psycopg.Connection) -> tuple[int, float]:
    found = conn.execute("SELECT count(*), sum(value) FROM reading").fetchone()
    assert found is not None
    return found[0], found[1]


@pytest.fixture
def compressed(timescale: Engine) -> Engine:
    """TimescaleDB with 3,000 readings in a compressed chunk."""
    conn = timescale.conn
    with conn.transaction():
        write(conn, series(timescale.streams, 3_000))
    refresh(conn)
    assert compress(conn, timedelta(days=30)) == 1
    assert compress(conn, timedelta(days=30)) == 0
    return timescale


# timescale/timescaledb#7672, #9575, #5448, #5480, #5471.
def test_duplicates_into_a_compressed_chunk(compressed: Engine) -> None:
    conn = compressed.conn
    with conn.transaction():
        again = write(conn, series(compressed.streams, 3_000))
    assert (again == Outcome.DUPLICATE).all()
    assert rows(conn) == (3_000, 2_999 * 3_000 / 2)


def test_late_readings_among_duplicates_into_a_compressed_chunk(
    compressed: Engine,
) -> None:
    conn = compressed.conn
    late = series(compressed.streams, 3_000).take(np.arange(0, 3_000, 2))
    new = np.arange(1_500) % 3 == 0
    late.time_us[new] += 1_000_000
    with conn.transaction():
        outcome = write(conn, late)
    assert (outcome[new] == Outcome.STORED).all()
    assert (outcome[~new] == Outcome.DUPLICATE).all()
    assert rows(conn)[0] == 3_500


def test_conflict_and_correction_in_a_compressed_chunk(compressed: Engine) -> None:
    conn, stream = compressed.conn, compressed.streams[0]
    other = series(compressed.streams, 1)
    other.value[:] = 600.0
    with conn.transaction(force_rollback=True):
        assert write(conn, other).tolist() == [Outcome.CONFLICT]
        other.correction[:] = True
        assert write(conn, other).tolist() == [Outcome.CORRECTED]
        # 600, 3, 6, ... 57: the hour's twenty readings of the first stream.
        found = hourly(conn, [stream], OLD, OLD + HOUR)
        assert found.mean.tolist() == [(600.0 + sum(range(3, 60, 3))) / 20]


def test_flag_in_a_compressed_chunk(compressed: Engine) -> None:
    conn, stream = compressed.conn, compressed.streams[0]
    key = series(compressed.streams, 1)
    with conn.transaction(force_rollback=True):
        assert reflag(conn, key.stream_id, key.time_us, np.array([4], np.int16)) == 1
        found = hourly(conn, [stream], OLD, OLD + HOUR)
        assert (found.n.tolist(), found.bad_n.tolist()) == ([19], [1])


def test_newest_of_a_compressed_chunk(compressed: Engine) -> None:
    newest = recent(compressed.conn, compressed.streams, count=1)
    assert newest.value.tolist() == [2997.0, 2998.0, 2999.0]


def test_aggregate_is_filled_and_late_readings_reach_it(timescale: Engine) -> None:
    conn, stream = timescale.conn, timescale.streams[0]
    with conn.transaction():
        write(conn, series([stream], 60))
    refresh(conn)
    with conn.transaction():
        write(conn, series([stream], 1, start=OLD + timedelta(seconds=30)))
    refresh(conn)
    # The table that backs the aggregate, without what is computed on the way.
    (n,) = conn.execute("SELECT sum(n) FROM reading_hourly").fetchone() or (None,)
    assert n == 61
    conn.commit()


def test_migration_in_place_interrupted_and_run_again(
    fresh_timescale: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    conn = fresh_timescale
    streams = streams_of(conn)
    with conn.transaction():
        write(conn, series(streams, 3_000))
    refresh(conn, before=OLD + timedelta(days=5))
    end = OLD + timedelta(days=30)
    before = hourly(conn, streams, OLD, end)
    conn.commit()

    def power_cut(conn: psycopg.Connection) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(timescale, "_aggregate", power_cut)
        with pytest.raises(KeyboardInterrupt):
            migrate(conn)
    assert capabilities(conn).engine == "plain"
    assert rows(conn) == (3_000, 2_999 * 3_000 / 2)
    conn.commit()

    with monkeypatch.context() as patch:
        patch.setattr(timescale, "_fill_aggregate", power_cut)
        with pytest.raises(KeyboardInterrupt):
            migrate(conn)
    assert capabilities(conn).engine == "timescale"
    np.testing.assert_array_equal(hourly(conn, streams, OLD, end).mean, before.mean)
    conn.commit()

    assert migrate(conn).readings == 0
    after = hourly(conn, streams, OLD, end)
    for name in ("stream_id", "start_us", "n", "mean", "min", "max", "last"):
        np.testing.assert_array_equal(getattr(after, name), getattr(before, name))
    assert rows(conn) == (3_000, 2_999 * 3_000 / 2)
    assert (write(conn, series(streams, 3_000)) == Outcome.DUPLICATE).all()
    conn.commit()


# timescale/timescaledb#6145: builds under the Apache licence have no TSL parts.
def test_apache_licence_falls_back_to_our_rollups(
    fresh_timescale: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    conn = fresh_timescale
    streams = streams_of(conn)
    real = capabilities

    def apache(conn: psycopg.Connection) -> object:
        found = real(conn)
        if found.engine == "plain":
            return found
        return type(found)("timescale", found.version, "apache", False, False, True)

    monkeypatch.setattr(timescale, "capabilities", apache)
    with conn.transaction():
        write(conn, series(streams, 300))
    moved = migrate(conn)
    assert moved.readings == 300
    assert moved.capabilities.licence == "apache"
    with conn.transaction():
        late = series(streams, 3, start=OLD + timedelta(seconds=30))
        assert (write(conn, late) == Outcome.STORED).all()
    assert hourly(conn, streams, OLD, OLD + HOUR).n.tolist() == [21, 21, 21]
    conn.commit()
    assert refresh(conn) == 1
    table = conn.execute("SELECT sum(n) FROM reading_hour")
    assert table.fetchone() == (303,)
    conn.commit()


def test_refresh_that_retention_overtook_forgets_no_hour(timescale: Engine) -> None:
    conn, stream = timescale.conn, timescale.streams[0]
    with conn.transaction():
        write(conn, series([stream], 60))
    assert apply_retention(conn, timedelta(days=30), now=NOON) == 1
    with committing(conn), alone(conn):
        rollups._refresh_aggregate(conn, OLD, OLD + HOUR)
    assert hourly(conn, [stream], OLD, OLD + HOUR).n.tolist() == [60]
