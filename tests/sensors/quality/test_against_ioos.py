"""Flags of streams in random batches against ioos-qc on the whole series."""

import itertools
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ioos_qc import qartod  # type: ignore[import-untyped]
from numpy.typing import NDArray

from sensors.quality import Limits, Quality
from tests.sensors.quality.oracle import SECOND, START, Stored, dates, expected, flat

LIMITS = Limits(
    fail=(-20, 20),
    suspect=(-15, 12),
    spike_suspect=6,
    spike_fail=9,
    rate_suspect=0.1,
    rate_fail=0.2,
    flat_tolerance=0.5,
    flat_suspect_s=180,
    flat_fail_s=300,
)

TWO_HOURS = 7_200 * SECOND
COLLAR = Limits(
    fail=(0, 150),
    suspect=(0, 80),
    spike_suspect=20,
    spike_fail=40,
    rate_suspect=30 / 7_200,
    rate_fail=60 / 7_200,
    flat_tolerance=0.5,
    flat_suspect_s=7_200,
    flat_fail_s=2 * 7_200,
)

# Whole numbers between which a flat line has no half-way; often the same again.
VALUES = st.lists(
    st.one_of(st.integers(-2, 2), st.sampled_from([1, 1, 1]), st.integers(-25, 25)),
    min_size=3,
    max_size=40,
)


def arrived(
    series: dict[int, list[float]], cuts: list[int], step_s: int = 60
) -> Stored:
    """Store series side by side, the readings of one moment together, cut at `cuts`."""
    stored = Stored(Quality())
    streams = sorted(series)
    stored.quality.add(streams, [LIMITS] * len(streams))
    rows = sorted(
        (START + number * step_s * SECOND, stream, value)
        for stream in streams
        for number, value in enumerate(series[stream])
    )
    edges = [0, *sorted(cut % (len(rows) + 1) for cut in cuts), len(rows)]
    for first, last in itertools.pairwise(edges):
        part = rows[first:last]
        stored.write(
            np.array([stream for _, stream, _ in part], np.int32),
            np.array([time for time, _, _ in part], np.int64),
            np.array([value for _, _, value in part], np.float64),
        )
    return stored


def regular(length: int, step_s: int = 60) -> NDArray[np.int64]:
    return START + np.arange(length) * step_s * SECOND


@given(
    series=st.lists(VALUES, min_size=1, max_size=4),
    cuts=st.lists(st.integers(0, 200), max_size=12),
)
def test_flags_are_those_of_the_whole_series(
    series: list[list[int]], cuts: list[int]
) -> None:
    streams = {
        7 * number: [float(each) for each in values]
        for number, values in enumerate(series, start=1)
    }

    stored = arrived(streams, cuts)

    for stream, values in streams.items():
        times = regular(len(values))
        assert stored.of(stream) == expected(times, np.array(values), LIMITS)


@given(
    steps=st.lists(st.integers(1, 900), min_size=3, max_size=30),
    values=st.lists(
        st.floats(-30, 30, allow_nan=False, width=32), min_size=30, max_size=30
    ),
    batch=st.integers(1, 30),
)
def test_irregular_times_change_nothing_for_range_spike_and_rate(
    steps: list[int], values: list[float], batch: int
) -> None:
    limits = Limits(
        fail=LIMITS.fail,
        suspect=LIMITS.suspect,
        spike_suspect=LIMITS.spike_suspect,
        spike_fail=LIMITS.spike_fail,
        rate_suspect=LIMITS.rate_suspect,
        rate_fail=LIMITS.rate_fail,
    )
    times = START + np.cumsum(np.array(steps, np.int64)) * SECOND
    series = np.array(values[: len(steps)])
    stored = Stored(Quality())
    stored.quality.add([1], [limits])

    for first in range(0, len(series), batch):
        part = slice(first, first + batch)
        ones = np.ones(len(series[part]), np.int32)
        stored.write(ones, times[part], series[part])

    wanted = qartod.qartod_compare(
        [
            qartod.gross_range_test(series, limits.fail, limits.suspect),
            qartod.spike_test(series, limits.spike_suspect, limits.spike_fail),
            qartod.rate_of_change_test(
                series, dates(times), limits.rate_suspect, limits.rate_fail
            ),
        ]
    )
    assert stored.of(1) == wanted.tolist()


@given(
    values=st.lists(
        st.floats(0, 2, allow_nan=False, width=16), min_size=3, max_size=40
    ),
    cuts=st.lists(st.integers(0, 200), max_size=5),
)
def test_a_flat_line_is_never_flagged_sooner_than_by_a_sliding_window(
    values: list[float], cuts: list[int]
) -> None:
    only_flat = Limits(
        fail=(-99, 99), flat_tolerance=0.5, flat_suspect_s=180, flat_fail_s=300
    )
    quality = Quality()
    quality.add([1], [only_flat])
    times = regular(len(values))

    ones = np.ones(len(values), np.int32)
    flags = quality.evaluate(ones, times, np.array(values)).flag

    window = flat(times, np.array(values), only_flat)
    assert np.all(flags <= window)


def located(
    longitude: NDArray[np.float64], latitude: NDArray[np.float64], metres: float
) -> list[int]:
    """Flags of fixes 600 s apart that may lie `metres` apart."""
    flags: list[int] = qartod.location_test(
        longitude, latitude, range_max=metres, range_method="wgs84"
    ).tolist()
    return flags


@settings(max_examples=50)
@given(
    north=st.lists(st.floats(-0.03, 0.03), min_size=2, max_size=20),
    east=st.lists(st.floats(-0.03, 0.03), min_size=20, max_size=20),
    batch=st.integers(1, 20),
)
def test_fixes_too_far_apart_are_suspect(
    north: list[float], east: list[float], batch: int
) -> None:
    latitude = 43.3 + np.cumsum(north)
    longitude = 124.3 + np.cumsum(east[: len(north)])
    # The sphere differs from the ellipsoid by up to 0.6 %.
    low, high = (located(longitude, latitude, 3_000 * part) for part in (0.99, 1.01))
    # 3 km in 600 s.
    limits = [Limits(fail=(-90, 90), speed=5), Limits(fail=(-180, 180), speed=5)]
    stored = Stored(Quality())
    stored.quality.add([4, 9], limits, partners=[9, -1])
    times = regular(len(north), 600)

    for first in range(0, len(north), batch):
        part = slice(first, first + batch)
        count = len(times[part])
        stored.write(
            np.repeat(np.array([9, 4], np.int32), count),
            np.tile(times[part], 2),
            np.concatenate((longitude[part], latitude[part])),
        )

    sure = [each for each in range(len(north)) if low[each] == high[each]]
    assert [stored.of(4)[each] for each in sure] == [low[each] for each in sure]
    assert stored.of(4) == stored.of(9)


def collars(path: Path) -> dict[int, tuple[NDArray[np.int64], NDArray[np.float64]]]:
    """Raw activity of each animal, every two hours: its longest stretch without gap."""
    calamine = pytest.importorskip("python_calamine")
    sheet = calamine.CalamineWorkbook.from_path(str(path)).get_sheet_by_index(0)
    cows: dict[int, dict[int, float]] = {}
    for _, cow, day, hour, raw, *_ in sheet.to_python()[1:]:
        if raw != "":
            clock = datetime.strptime(f"{hour} +0000", "%I:%M %p %z").time()
            stamp = np.datetime64(datetime.combine(day, clock), "us").astype(np.int64)
            cows.setdefault(int(cow), {})[int(stamp)] = float(raw)
    return {cow: longest_stretch(readings) for cow, readings in cows.items()}


def longest_stretch(
    readings: dict[int, float],
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    times = np.array(sorted(readings), np.int64)
    gaps = np.flatnonzero(np.diff(times) != TWO_HOURS) + 1
    longest = max(np.split(times, gaps), key=len)
    return longest, np.array([readings[time] for time in longest.tolist()])


@pytest.mark.parametrize("batch", [1, 50, 5_000])
def test_real_collars_are_flagged_as_by_ioos(shared_data: Path, batch: int) -> None:
    folder = shared_data / "heat_detection" / "schema_weekly"
    if not folder.is_dir():
        pytest.skip("the collar exports are not here")
    herd = collars(folder / "February 11 2019.xlsx")
    stored = Stored(Quality())
    stored.quality.add(list(herd), [COLLAR] * len(herd))
    stream = np.repeat(
        np.array(list(herd), np.int32), [len(times) for times, _ in herd.values()]
    )
    time = np.concatenate([times for times, _ in herd.values()])
    value = np.concatenate([values for _, values in herd.values()])
    order = np.argsort(time, kind="stable")

    for first in range(0, len(order), batch):
        part = order[first : first + batch]
        stored.write(stream[part], time[part], value[part])

    wanted = {cow: expected(*series, COLLAR) for cow, series in herd.items()}
    assert {flag for flags in wanted.values() for flag in flags} == {1, 3, 4}
    assert {cow: stored.of(cow) for cow in herd} == wanted
