from datetime import date, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raster.errors import SettingInvalid
from raster.step import TimeStep, dekad_of, dekads, months, spans


@pytest.mark.parametrize(
    ("day", "start", "end", "centre"),
    [
        ("2026-04-01", "2026-04-01", "2026-04-10", "2026-04-06"),
        ("2026-04-10", "2026-04-01", "2026-04-10", "2026-04-06"),
        ("2026-04-11", "2026-04-11", "2026-04-20", "2026-04-16"),
        ("2026-05-31", "2026-05-21", "2026-05-31", "2026-05-26"),
        ("2026-02-21", "2026-02-21", "2026-02-28", "2026-02-25"),
        ("2024-02-29", "2024-02-21", "2024-02-29", "2024-02-25"),
        ("2026-12-31", "2026-12-21", "2026-12-31", "2026-12-26"),
    ],
)
def test_dekad_of_a_day(day: str, start: str, end: str, centre: str) -> None:
    step = dekad_of(date.fromisoformat(day))

    assert step == TimeStep(date.fromisoformat(start), date.fromisoformat(end))
    assert step.centre == date.fromisoformat(centre)


def test_a_step_of_one_day_is_its_own_centre() -> None:
    assert TimeStep(date(2026, 5, 2), date(2026, 5, 2)).centre == date(2026, 5, 2)


def test_a_growing_season_has_twenty_one_dekads() -> None:
    steps = dekads(date(2026, 4, 1), date(2026, 10, 31))

    assert len(steps) == 21
    assert steps[0].start == date(2026, 4, 1)
    assert steps[-1].end == date(2026, 10, 31)


def test_dekads_cut_by_the_window_stay_whole() -> None:
    steps = dekads(date(2026, 4, 8), date(2026, 4, 12))

    assert [step.start.day for step in steps] == [1, 11]


@given(st.dates(date(1999, 1, 1), date(2060, 1, 1)), st.integers(0, 800))
def test_dekads_follow_each_other_without_gap(start: date, days: int) -> None:
    steps = dekads(start, start + timedelta(days=days))

    for before, after in pairwise(steps):
        assert after.start - before.end == timedelta(days=1)
    assert steps[0].start <= start
    assert steps[-1].end >= start + timedelta(days=days)


@pytest.mark.parametrize(
    ("day", "start", "end"),
    [
        (date(2024, 2, 9), date(2024, 2, 1), date(2024, 2, 29)),
        (date(2026, 12, 31), date(2026, 12, 1), date(2026, 12, 31)),
    ],
)
def test_a_month_is_whole(day: date, start: date, end: date) -> None:
    assert months(day, day) == (TimeStep(start, end),)


def test_months_cross_the_new_year() -> None:
    starts = [step.start for step in months(date(2025, 11, 30), date(2026, 1, 1))]

    assert starts == [date(2025, 11, 1), date(2025, 12, 1), date(2026, 1, 1)]


def test_spans_run_from_the_first_day_and_hold_the_last() -> None:
    steps = spans(date(2026, 5, 1), date(2026, 5, 17), days=8)

    assert steps == (
        TimeStep(date(2026, 5, 1), date(2026, 5, 8)),
        TimeStep(date(2026, 5, 9), date(2026, 5, 16)),
        TimeStep(date(2026, 5, 17), date(2026, 5, 24)),
    )


def test_spans_of_no_days_are_refused() -> None:
    with pytest.raises(SettingInvalid, match="steps of 0 days"):
        spans(date(2026, 5, 1), date(2026, 5, 17), days=0)
