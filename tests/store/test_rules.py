"""Rules in the store, and the turns of those who evaluate them."""

from datetime import UTC, datetime

import pytest

from store import Store, rules
from store.rules import RuleUnknown

AT = datetime(2026, 7, 1, tzinfo=UTC)


def put(store: Store, body: dict[str, object], name: str = "heat") -> bool:
    with store.connection() as conn:
        return rules.put(conn, name=name, body=body, at=AT, by="Li")


def test_a_rule_that_changed_is_a_new_one_without_states(store: Store) -> None:
    assert put(store, {"level": 1})
    with store.connection() as conn:
        (first,) = rules.all_rules(conn)
        rules.save_states(conn, {(first.rule_id, "stream:1"): {"a": 1}})
    assert not put(store, {"level": 1})
    assert put(store, {"level": 2})
    with store.connection() as conn:
        (second,) = rules.all_rules(conn)
        assert rules.states(conn) == {}
    assert second.rule_id != first.rule_id
    assert (second.body, second.changed_by) == ({"level": 2}, "Li")


def test_an_unknown_rule_is_not_removed(store: Store) -> None:
    with store.connection() as conn, pytest.raises(RuleUnknown, match="'heat'"):
        rules.remove(conn, "heat")


def test_states_are_kept_replaced_and_forgotten(store: Store) -> None:
    put(store, {})
    with store.connection() as conn:
        (rule,) = rules.all_rules(conn)
        one, two = (rule.rule_id, "a"), (rule.rule_id, "b")
        rules.save_states(conn, {one: {"n": 1}, two: {"n": 2}})
        rules.save_states(conn, {one: {"n": 3}})
        assert rules.states(conn) == {one: {"n": 3}, two: {"n": 2}}
        rules.forget_states(conn, [one])
        assert rules.states(conn) == {two: {"n": 2}}


def test_one_at_a_time_has_the_turn(store: Store) -> None:
    with store.connection() as first, store.connection() as second:
        assert rules.take_turn(first) == 0
        assert rules.take_turn(second) is None
        assert rules.next_turn(first) == 1
        first.commit()
        assert rules.take_turn(second) == 1
