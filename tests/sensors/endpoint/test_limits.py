from sensors.endpoint.limits import LOCKOUT_ENTRIES, Allowance, Limits, Lockout

WHO = ("a", "192.0.2.1")


def test_a_minutes_messages_may_come_at_once_and_then_one_by_one() -> None:
    allowance = Allowance(Limits(messages_per_minute=60), now=0.0)
    allowance.spend(messages=59, size=0)
    assert not allowance.exhausted(0.0)
    allowance.spend(messages=1, size=0)
    assert allowance.exhausted(0.0)
    assert not allowance.exhausted(1.0)


def test_what_was_read_beyond_the_allowance_is_paid_by_waiting() -> None:
    allowance = Allowance(Limits(messages_per_minute=60), now=0.0)
    allowance.spend(messages=90, size=0)
    assert allowance.exhausted(29.0)
    assert not allowance.exhausted(31.0)


def test_bytes_count_by_the_day() -> None:
    allowance = Allowance(Limits(bytes_per_day=86_400), now=0.0)
    allowance.spend(messages=1_000_000, size=86_400)
    assert allowance.exhausted(0.0)
    assert not allowance.exhausted(1.0)


def test_no_more_than_a_minutes_messages_are_saved_up() -> None:
    allowance = Allowance(Limits(messages_per_minute=60), now=0.0)
    assert not allowance.exhausted(1_000_000.0)
    allowance.spend(messages=60, size=0)
    assert allowance.exhausted(1_000_000.0)


def test_lockout_after_failures_in_a_row_and_for_a_time() -> None:
    lockout = Lockout(failures=2, seconds=300.0)
    lockout.failed(WHO, now=0.0)
    assert not lockout.locked(WHO, now=1.0)
    lockout.failed(WHO, now=10.0)
    assert lockout.locked(WHO, now=309.0)
    assert not lockout.locked(("a", "192.0.2.2"), now=11.0)
    assert not lockout.locked(WHO, now=310.0)


def test_a_right_login_and_the_passing_of_time_forget_failures() -> None:
    lockout = Lockout(failures=2, seconds=300.0)
    lockout.failed(WHO, now=0.0)
    lockout.passed(WHO)
    lockout.failed(WHO, now=1.0)
    assert not lockout.locked(WHO, now=1.0)
    lockout.failed(WHO, now=301.0)
    assert not lockout.locked(WHO, now=301.0)


def test_lockout_remembers_only_the_latest() -> None:
    lockout = Lockout(failures=1, seconds=300.0)
    lockout.failed(WHO, now=0.0)
    for number in range(LOCKOUT_ENTRIES):
        lockout.failed((f"{number}", ""), now=0.0)
    assert not lockout.locked(WHO, now=0.0)
    assert lockout.locked(("0", ""), now=0.0)


def test_lockout_can_be_switched_off() -> None:
    lockout = Lockout(failures=0, seconds=300.0)
    lockout.failed(WHO, now=0.0)
    assert not lockout.locked(WHO, now=0.0)


def test_gateway_may_send_as_much_as_the_devices_behind_it() -> None:
    limits = Limits(messages_per_minute=60, bytes_per_day=1_000, gateway_devices=50)
    assert limits.of(gateway=True).messages_per_minute == 3_000
    assert limits.of(gateway=True).bytes_per_day == 50_000
    assert limits.of(gateway=False) == limits
