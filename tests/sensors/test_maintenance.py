"""Chores are done again and again, whatever becomes of one of them."""

import threading
from datetime import timedelta

import pytest

from sensors.maintenance import Chore, Maintenance
from store import DatabaseUnavailable, RowRefused, Store

SOON = timedelta(0)
NEVER_AGAIN = timedelta(days=1)


class _Counted:
    """A chore that tells when it has been done often enough."""

    def __init__(self, times: int) -> None:
        self.left = times
        self.enough = threading.Event()

    def __call__(self, store: Store) -> None:
        self.left -= 1
        if self.left == 0:
            self.enough.set()


def test_chore_is_done_at_the_start_and_again(store: Store) -> None:
    chore = _Counted(2)
    with Maintenance(store, [Chore("again", SOON, chore)]):
        assert chore.enough.wait(20)


def test_chore_waits_for_its_turn(store: Store) -> None:
    seldom, often = _Counted(2), _Counted(3)
    chores = [Chore("seldom", NEVER_AGAIN, seldom), Chore("often", SOON, often)]
    with Maintenance(store, chores):
        assert often.enough.wait(20)
    assert seldom.left == 1


@pytest.mark.parametrize(
    "error", [DatabaseUnavailable, RowRefused, OSError, ValueError]
)
def test_a_fault_stops_neither_the_chore_nor_the_others(
    store: Store, error: type[Exception]
) -> None:
    tried, other = _Counted(2), _Counted(2)

    def refused(store: Store) -> None:
        tried(store)
        raise error("away")

    with Maintenance(store, [Chore("away", SOON, refused), Chore("o", SOON, other)]):
        assert tried.enough.wait(20)
        assert other.enough.wait(20)


def test_stop_ends_the_thread(store: Store) -> None:
    maintenance = Maintenance(store, [])
    maintenance.start()
    assert maintenance.running
    maintenance.stop()
    assert not maintenance.running


def test_stopping_what_never_started_is_harmless(store: Store) -> None:
    Maintenance(store, []).stop()
