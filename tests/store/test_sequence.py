import pytest
from hypothesis import given
from hypothesis import strategies as st

from store.sequence import MOST_GAPS, Sequence


def followed(*messages: tuple[int, int]) -> Sequence:
    sequence = Sequence.begun(*messages[0])
    sequence.see_all(messages)
    return sequence


@pytest.mark.parametrize(
    ("numbers", "missing"),
    [
        ([5], []),
        ([5, 6, 7], []),
        ([5, 7], [(6, 7)]),
        ([5, 9, 7], [(6, 7), (8, 9)]),
        ([5, 9, 7, 6, 8], []),
        ([5, 5, 6, 6], []),
        ([0, 3], [(1, 3)]),
    ],
)
def test_missing_numbers(numbers: list[int], missing: list[tuple[int, int]]) -> None:
    sequence = followed(*((n, 1000 + n) for n in numbers))
    assert sequence.missing == missing
    assert (sequence.restarts, sequence.lost) == (0, 0)


def test_message_from_before_the_first_lowers_it() -> None:
    sequence = followed((5, 50), (6, 60), (3, 30))
    assert (sequence.first, sequence.missing) == (3, [(4, 5)])


def test_lower_number_with_a_newer_time_is_a_restart() -> None:
    sequence = followed((500, 50), (503, 53), (0, 54), (1, 55), (3, 57))
    assert (sequence.first, sequence.top, sequence.restarts) == (0, 3, 1)
    assert sequence.missing == [(2, 3)]
    assert sequence.lost == 2


def test_lower_number_with_an_older_time_is_no_restart() -> None:
    sequence = followed((500, 50), (503, 53), (500, 50), (0, 5))
    assert sequence.restarts == 0
    assert sequence.top == 503


def test_straggler_from_before_a_restart_does_not_raise_the_top() -> None:
    sequence = followed((500, 50), (0, 54), (1, 55), (501, 51))
    assert (sequence.top, sequence.missing) == (1, [])


def test_redelivery_of_a_device_without_a_clock_is_no_restart() -> None:
    # Its times are reckoned from the receipt, so a repeated message looks newer.
    sequence = followed((700, 10), (701, 11), (702, 12), (701, 20), (703, 21))
    assert (sequence.restarts, sequence.missing) == (0, [])


def test_gaps_are_bounded_and_none_is_forgotten() -> None:
    numbers = range(0, 4 * MOST_GAPS, 2)
    sequence = followed(*((n, n) for n in numbers))
    assert len(sequence.missing) == MOST_GAPS
    assert sequence.lost + MOST_GAPS == len(numbers) - 1


@given(st.permutations(range(30)), st.sets(st.integers(1, 28)))
def test_order_of_arrival_does_not_matter(order: list[int], lost: set[int]) -> None:
    came = [n for n in order if n not in lost]
    sequence = followed(*((n, 1000 + n) for n in came))
    found = {n for start, stop in sequence.missing for n in range(start, stop)}
    assert found == lost
    assert (sequence.first, sequence.top) == (0, 29)
