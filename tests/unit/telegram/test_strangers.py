from __future__ import annotations

from datetime import UTC, datetime, timedelta

from telegram_manager.door.strangers import ATTEMPTS, WITHIN, Strangers


def test_the_third_attempt_is_told_of_and_then_none_for_a_while() -> None:
    now = datetime(2026, 11, 21, tzinfo=UTC)
    strangers = Strangers(lambda: now)
    assert [strangers.knocked(1) for _ in range(ATTEMPTS + 3)] == [False, False, True, False, False, False]
    # Another one is counted apart.
    assert not strangers.knocked(2)
    now += WITHIN
    assert strangers.knocked(1)


def test_seldom_attempts_are_not_told_of() -> None:
    now = datetime(2026, 11, 21, tzinfo=UTC)
    strangers = Strangers(lambda: now)
    for _ in range(10):
        now += WITHIN / 2 + timedelta(seconds=1)
        assert not strangers.knocked(1)


def test_a_crowd_does_not_fill_the_memory() -> None:
    strangers = Strangers(lambda: datetime(2026, 11, 21, tzinfo=UTC))
    for user in range(5000):
        strangers.knocked(user)
    assert len(strangers._attempts) == 1000
