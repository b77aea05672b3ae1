from collections import Counter, deque
from datetime import UTC, datetime, timedelta

from sensors.counts import Outcome
from sensors.streams import Streams
from sensors.writer import Delivery, Judged, chunked, judge, settle
from store import Store, readings
from store.readings import ReadingRow
from tests.stored import stored_readings

NOW = datetime(2026, 11, 23, 6, 0, tzinfo=UTC)


def delivery(body: str, *, device: str = "sim-soil-1", mid: int = 1) -> Delivery:
    return Delivery(
        topic=f"farm/sim-lishu/{device}/up",
        payload=body.encode(),
        received_at=NOW,
        mid=mid,
        qos=1,
        connection=0,
    )


def moist(minute: int, *, value: float = 0.2, mid: int = 1) -> Delivery:
    time = f"2026-11-23T05:{minute:02}:00Z"
    body = f'{{"ts": "{time}", "readings": {{"soil_moisture": {value}}}}}'
    return delivery(body, mid=mid)


def outcomes(store: Store, *batch: Delivery) -> list[Outcome]:
    """Settle one batch and tell each message's outcome, in order of commitment."""
    streams = Streams(store)
    work = chunked(judge(streams, batch), rows=5_000)
    settled = list(settle(store, streams, work))
    assert [d for part in settled for d in part.deliveries] == list(batch)
    return [
        outcome
        for part in settled
        for outcome, number in part.messages.items()
        for _ in range(number)
    ]


def test_new_batch_is_one_commit(village_store: Store) -> None:
    streams = Streams(village_store)
    work = deque([judge(streams, [moist(1), moist(2), moist(3)])])
    (settled,) = settle(village_store, streams, work)
    assert settled.messages == Counter({Outcome.STORED: 3})
    assert settled.readings == Counter({Outcome.STORED: 3})
    assert not work


def test_every_message_of_a_mixed_batch_has_its_own_outcome(
    village_store: Store,
) -> None:
    assert outcomes(village_store, moist(1), moist(3), moist(5)) == [Outcome.STORED] * 3
    second = [
        moist(1),
        moist(2),
        moist(3, value=0.9),
        moist(4),
        moist(4),
        moist(5),
    ]
    assert outcomes(village_store, *second) == [
        Outcome.DUPLICATE,
        Outcome.STORED,
        Outcome.CONFLICT,
        Outcome.STORED,
        Outcome.DUPLICATE,
        Outcome.DUPLICATE,
    ]
    with village_store.connection() as conn:
        stored = readings.between(
            conn, "sim-soil-1", start=NOW - timedelta(hours=1), end=NOW, limit=10
        )
        kept = conn.execute("SELECT value FROM reading_conflict").fetchall()
    assert [reading.value for reading in stored] == [0.2] * 5
    assert kept == [(0.9,)]


def test_message_with_new_and_old_readings_is_stored(village_store: Store) -> None:
    values = '{"soil_moisture": 0.2, "battery": 3.5}'
    both = delivery(f'{{"ts": "2026-11-23T05:01:00Z", "readings": {values}}}')
    assert outcomes(village_store, moist(1), both) == [Outcome.STORED] * 2
    with village_store.connection() as conn:
        assert stored_readings(conn) == 2


def test_one_bad_reading_refuses_the_message(village_store: Store) -> None:
    body = '{"age_s": 0, "readings": {"soil_moisture": 0.2, "co2": 410}}'
    assert outcomes(village_store, delivery(body)) == [Outcome.QUARANTINED]
    with village_store.connection() as conn:
        assert stored_readings(conn) == 0
        (kept,) = readings.quarantined(conn, 10)
    assert kept.payload == body.encode()
    assert kept.reason == "device 'sim-soil-1' has no quantity 'co2'"


def test_device_of_another_farm_is_refused(village_store: Store) -> None:
    message = moist(1)
    stranger = Delivery(
        topic="farm/another/sim-soil-1/up",
        payload=message.payload,
        received_at=NOW,
        mid=1,
        qos=1,
        connection=0,
    )
    assert outcomes(village_store, stranger) == [Outcome.QUARANTINED]


def test_rows_the_store_refuses_do_not_hold_the_others_up(village_store: Store) -> None:
    streams = Streams(village_store)
    judged = judge(streams, [moist(1), moist(2), moist(3)])
    vanished = ReadingRow(
        stream_id=999_999, time=NOW, value=1.0, flag=2, received_at=NOW
    )
    judged.insert(1, Judged(moist(9), rows=(vanished,)))
    settled = list(settle(village_store, streams, deque([judged])))
    total = sum((part.messages for part in settled), Counter())
    assert total == Counter({Outcome.STORED: 3, Outcome.QUARANTINED: 1})
    with village_store.connection() as conn:
        (kept,) = readings.quarantined(conn, 10)
    assert "refused by the store" in kept.reason
    assert "999999" in kept.reason


def test_topic_too_long_for_an_index_is_quarantined(village_store: Store) -> None:
    # Not compressible, as PostgreSQL would squeeze a repeated letter into the index.
    name = "".join(chr(0x4E00 + n * 7919 % 20_000) for n in range(15_000))
    assert outcomes(village_store, delivery("{}", device=name)) == [Outcome.QUARANTINED]


def test_chunks_are_cut_by_rows_and_keep_the_order() -> None:
    row = ReadingRow(stream_id=1, time=NOW, value=1.0, flag=2, received_at=NOW)
    batch = [Judged(moist(n), rows=(row,) * n) for n in (2, 2, 1, 7, 0, 3)]
    chunks = chunked(batch, rows=4)
    assert [[len(judged.rows) for judged in chunk] for chunk in chunks] == [
        [2, 2],
        [1],
        [7],
        [0, 3],
    ]
