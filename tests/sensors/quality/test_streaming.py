"""What the tests say of single readings, and what batches may not change."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensors.quality import Flags, History, Limits, Quality, StreamNotAdded
from tests.sensors.quality.oracle import SECOND, START, Stored

RANGE = Limits(fail=(0, 100), suspect=(10, 90))
SPIKE = Limits(fail=(0, 100), spike_suspect=5, spike_fail=20)
GAP = Limits(fail=(0, 100), spike_suspect=5, rate_suspect=1, gap_s=60)
FLAT = Limits(fail=(0, 100), flat_tolerance=0.5, flat_suspect_s=120, flat_fail_s=240)


def quality_of(limits: Limits, *streams: int) -> Quality:
    quality = Quality()
    quality.add(streams or (1,), [limits] * max(1, len(streams)))
    return quality


def evaluated(
    quality: Quality, *readings: tuple[float, float], stream: int = 1
) -> Flags:
    """Evaluate (seconds, value) of one stream."""
    times = [START + round(seconds * SECOND) for seconds, _ in readings]
    return quality.evaluate(
        np.full(len(readings), stream, np.int32),
        np.array(times, np.int64),
        np.array([value for _, value in readings]),
    )


@pytest.mark.parametrize(
    ("value", "flag"),
    [(50, 1), (10, 1), (90, 1), (9.9, 3), (90.1, 3), (-0.1, 4), (100.1, 4)],
)
def test_gross_range(value: float, flag: int) -> None:
    assert evaluated(quality_of(RANGE), (0, value)).flag.tolist() == [flag]


def test_a_spike_is_seen_when_its_right_neighbour_comes() -> None:
    quality = quality_of(SPIKE)
    first = evaluated(quality, (0, 50), (60, 58))
    quality.commit()

    flags = evaluated(quality, (120, 50))

    assert first.flag.tolist() == [1, 1]
    assert flags.flag.tolist() == [1]
    assert flags.revised_stream.tolist() == [1]
    assert flags.revised_time_us.tolist() == [START + 60 * SECOND]
    assert flags.revised_flag.tolist() == [3]


def test_a_spike_within_one_batch_needs_no_revision() -> None:
    flags = evaluated(quality_of(SPIKE), (0, 50), (60, 80), (120, 50), (180, 50))

    # 80 is 30 above 50; the 50 behind it is 15 from the mean of 80 and 50.
    assert flags.flag.tolist() == [1, 4, 3, 1]
    assert flags.revised_flag.tolist() == []


def test_a_spike_worsens_a_flag_and_never_mends_it() -> None:
    quality = quality_of(SPIKE)
    evaluated(quality, (0, 99), (60, 101))
    quality.commit()

    flags = evaluated(quality, (120, 99))

    assert flags.revised_flag.tolist() == []


def test_the_first_reading_after_a_gap_has_no_neighbours() -> None:
    quality = quality_of(GAP)

    flags = evaluated(quality, (0, 20), (60, 20), (121, 90), (181, 20), (241, 20))

    # The jump at the gap is nothing; back at 20 it is 70 in 60 s, a rate above 1.
    assert flags.flag.tolist() == [1, 1, 1, 3, 1]


def test_a_rate_is_in_units_a_second() -> None:
    quality = quality_of(Limits(rate_suspect=0.5, rate_fail=2))

    flags = evaluated(quality, (0, 0), (2, 1), (4, 2.1), (6, -2.1), (6.5, -2.1))

    assert flags.flag.tolist() == [2, 1, 3, 4, 1]


def test_a_flat_line_is_flagged_from_its_limits_on() -> None:
    quality = quality_of(FLAT)
    values = [5, 5, 5.4, 5, 5, 5.5, 5.5, 5.5]

    flags = evaluated(quality, *((60 * at, value) for at, value in enumerate(values)))

    assert flags.flag.tolist() == [1, 1, 3, 3, 4, 1, 1, 3]


def test_a_flat_line_goes_on_over_batches() -> None:
    quality = quality_of(FLAT)
    flags = []
    for at in range(6):
        flags += evaluated(quality, (60 * at, 5)).flag.tolist()
        quality.commit()

    assert flags == [1, 1, 3, 3, 4, 4]


def test_a_late_reading_gets_its_range_tested_and_moves_no_neighbour() -> None:
    quality = quality_of(SPIKE)
    evaluated(quality, (0, 50), (60, 50))
    quality.commit()

    late = evaluated(quality, (30, 80), (45, 150), (60, 50))
    quality.commit()
    after = evaluated(quality, (120, 50))

    assert late.flag.tolist() == [1, 4, 1]
    assert late.revised_flag.tolist() == []
    assert after.revised_flag.tolist() == []


def test_a_late_reading_within_a_batch_is_late() -> None:
    flags = evaluated(quality_of(SPIKE), (0, 50), (120, 50), (60, 99), (180, 50))

    assert flags.flag.tolist() == [1, 1, 1, 1]


def test_no_limits_is_not_evaluated() -> None:
    flags = evaluated(quality_of(Limits()), (0, 1), (60, 1e300), (120, -1e300))

    assert flags.flag.tolist() == [2, 2, 2]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_value_that_is_none_is_missing_and_no_neighbour(value: float) -> None:
    flags = evaluated(quality_of(SPIKE), (0, 50), (60, value), (120, 58), (180, 50))

    assert flags.flag.tolist() == [1, 9, 3, 1]


@pytest.mark.filterwarnings("error")
def test_the_largest_numbers_do_not_overflow() -> None:
    every = Limits(spike_suspect=1, rate_suspect=1, flat_tolerance=1, flat_fail_s=1)
    top = 1.7e308

    flags = evaluated(quality_of(every), (0, top), (1, -top), (2, top), (3, top))

    assert flags.flag.tolist() == [2, 3, 3, 4]


def test_streams_of_one_batch_do_not_touch_each_other() -> None:
    quality = quality_of(SPIKE, 5, 6)

    flags = quality.evaluate(
        np.array([6, 5, 6, 5, 6, 5], np.int32),
        START + np.array([0, 0, 60, 60, 120, 120], np.int64) * SECOND,
        np.array([10.0, 50, 10, 58, 10, 50]),
    )

    assert flags.flag.tolist() == [1, 1, 1, 3, 1, 1]


def test_without_commit_a_batch_changes_nothing() -> None:
    quality = quality_of(SPIKE)
    evaluated(quality, (0, 50))
    quality.commit()

    for _ in range(2):
        flags = evaluated(quality, (60, 80), (120, 50))
        assert flags.flag.tolist() == [4, 1]
    part = evaluated(quality, (60, 80))
    quality.commit()
    rest = evaluated(quality, (120, 50))

    assert part.flag.tolist() == [1]
    assert rest.revised_flag.tolist() == [4]


def test_an_empty_batch() -> None:
    flags = evaluated(quality_of(SPIKE))

    assert flags.flag.tolist() == []


def test_unknown_streams_are_told_and_refused() -> None:
    quality = quality_of(RANGE, 2, 8)

    assert quality.unknown([8, 9, 2, 1, 9]).tolist() == [1, 9]
    with pytest.raises(StreamNotAdded, match=r"\[9\].*尚未登记"):
        evaluated(quality, (0, 1), stream=9)


def test_a_forgotten_stream_is_unknown_again() -> None:
    quality = quality_of(RANGE, 2, 8, 9)

    quality.forget([8, 77])

    assert quality.unknown([2, 8, 9]).tolist() == [8]
    assert len(quality) == 2


def test_forgetting_drops_what_was_not_committed() -> None:
    quality = quality_of(SPIKE, 1, 2)
    evaluated(quality, (0, 50), stream=1)
    quality.forget([2])
    quality.commit()
    evaluated(quality, (60, 80), (120, 50))

    # 80 has no left neighbour.
    assert evaluated(quality, (60, 80), (120, 50)).flag.tolist() == [1, 1]


def test_the_history_of_a_stream_goes_on() -> None:
    quality = Quality()
    # Newest first, as a database may give them; the newest is suspect already.
    history = History(
        np.array([3, 3, 4], np.int32),
        np.array([START + 60 * SECOND, START, START], np.int64),
        np.array([58.0, 50, 1]),
        np.array([3, 1, 1], np.int16),
    )
    quality.add([4, 3], [SPIKE, SPIKE], history)

    flags = evaluated(quality, (120, 30), stream=3)

    # 58 is 18 above the mean of 50 and 30: suspect, as it was.
    assert flags.revised_flag.tolist() == []
    assert evaluated(quality, (120, 0), stream=3).revised_flag.tolist() == [4]


def test_positions_whose_fixes_do_not_match_are_not_tested_for_speed() -> None:
    quality = Quality()
    quality.add([1, 2], [Limits(speed=5)] * 2, partners=[2, -1])

    flags = quality.evaluate(
        np.array([1, 2, 1, 2], np.int32),
        START + np.array([0, 0, 600, 601], np.int64) * SECOND,
        np.array([43.0, 125, 44, 125]),
    )

    assert flags.flag.tolist() == [2, 2, 2, 2]


def test_a_fix_whose_coordinates_came_apart_is_no_place_to_start_from() -> None:
    quality = Quality()
    quality.add([1, 2], [Limits(speed=5)] * 2, partners=[2, -1])

    flags = quality.evaluate(
        np.array([1, 2, 1, 2], np.int32),
        START + np.array([0, 300, 600, 600], np.int64) * SECOND,
        np.array([43.0, 125, 44, 125]),
    )

    assert flags.flag.tolist() == [2, 2, 2, 2]


def test_a_speed_over_batches() -> None:
    quality = Quality()
    quality.add([1, 2], [Limits(speed=5)] * 2, partners=[2, -1])

    def fix(seconds: int, latitude: float, longitude: float) -> list[int]:
        time = START + seconds * SECOND
        flags = quality.evaluate(
            np.array([1, 2], np.int32),
            np.array([time, time], np.int64),
            np.array([latitude, longitude]),
        )
        quality.commit()
        return [int(flag) for flag in flags.flag]

    assert fix(0, 43, 125) == [2, 2]
    # One minute of arc north is 1,853 m: 5.15 m/s in 360 s, 4.95 m/s in 375 s.
    assert fix(360, 43 + 1 / 60, 125) == [3, 3]
    assert fix(735, 43 + 2 / 60, 125) == [1, 1]


READINGS = st.lists(
    st.tuples(
        st.integers(1, 3),
        st.integers(0, 30),
        st.sampled_from([1.0, 1.2, 5.0, 7.0, 30.0, 101.0, float("nan")]),
    ),
    max_size=60,
)
ALL = Limits(
    fail=(0, 100),
    suspect=(0, 20),
    spike_suspect=2,
    spike_fail=9,
    rate_suspect=0.05,
    rate_fail=0.3,
    flat_tolerance=0.5,
    flat_suspect_s=120,
    flat_fail_s=240,
    gap_s=300,
)


def stored_in_batches(
    readings: list[tuple[int, int, float]], cuts: list[int]
) -> dict[tuple[int, int], int]:
    stored = Stored(quality_of(ALL, 1, 2, 3))
    edges = [0, *sorted(cut % (len(readings) + 1) for cut in cuts), len(readings)]
    for first, last in itertools.pairwise(edges):
        part = readings[first:last]
        stored.write(
            np.array([stream for stream, _, _ in part], np.int32),
            np.array([START + 60 * SECOND * at for _, at, _ in part], np.int64),
            np.array([value for _, _, value in part], np.float64),
        )
    return stored.flags


@given(READINGS, st.lists(st.integers(0, 60), max_size=60))
def test_however_the_readings_are_cut_into_batches_the_flags_are_the_same(
    readings: list[tuple[int, int, float]], cuts: list[int]
) -> None:
    assert stored_in_batches(readings, cuts) == stored_in_batches(readings, [])


@given(READINGS, st.integers(0, 60))
def test_a_process_that_begins_anew_goes_on_from_the_store(
    readings: list[tuple[int, int, float]], cut: int
) -> None:
    # In order, since a late reading is a neighbour to whoever only sees the store.
    rows = [row for row in readings if row[2] == row[2]]
    rows = list({row[:2]: row for row in sorted(rows)}.values())
    middle = cut % (len(rows) + 1)
    rows.sort(key=lambda row: row[1])
    whole = stored_in_batches(rows, [])

    before = Stored(quality_of(ALL, 1, 2, 3))
    after = Stored(Quality())
    for stored, part in ((before, rows[:middle]), (after, rows[middle:])):
        if stored is after:
            after.flags, after.values = before.flags, before.values
            after.quality.add([1, 2, 3], [ALL] * 3, before.history())
        stored.write(
            np.array([stream for stream, _, _ in part], np.int32),
            np.array([START + 60 * SECOND * at for _, at, _ in part], np.int64),
            np.array([value for _, _, value in part], np.float64),
        )

    assert after.flags == whole
