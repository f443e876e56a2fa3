"""A freeze forbids entries beside the mirror of the controls, until its kill ends it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest
import redis

from alpha.domain.errors import InvalidValue
from alpha.ledger.controls import PLATFORM, Control, DesiredState
from alpha.live.connection import STATE_DB, LiveStateError, RedisAddress, open_redis
from alpha.live.controls import FREEZES_KEY, freeze, freezes, read_controls, thaw, write_controls

AT = datetime(2026, 1, 2, tzinfo=UTC)
OPEN = Control(
    scope=PLATFORM, entries_allowed=True, desired_state=DesiredState.RUNNING, by="a", why="open", at=AT, kill=None
)
FROZEN = replace(OPEN, entries_allowed=False, desired_state=DesiredState.STOPPED, why="killed", kill="k1")


@pytest.fixture
def state(redis_address: RedisAddress) -> Iterator[redis.Redis]:
    with open_redis(redis_address, STATE_DB) as client:
        yield client


def seen(state: redis.Redis) -> dict[str, str]:
    """Scope to the reason why entries are forbidden there."""
    live = read_controls(state)
    assert live is not None
    return {scope: control.why for scope, control in live.by_scope.items() if not control.entries_allowed}


def test_a_freeze_is_seen_whatever_the_mirror_says_until_its_kill_ends_it(state: redis.Redis) -> None:
    bot = replace(FROZEN, scope="bot:canary_001", kill="k2")
    freeze(state, FROZEN)
    freeze(state, bot)
    assert read_controls(state) is None, "a freeze alone is no mirror, and without one nothing is allowed"
    write_controls(state, {PLATFORM: OPEN}, at=AT)
    assert seen(state) == {PLATFORM: "killed", "bot:canary_001": "killed"}
    thaw(state, "k1")
    thaw(state, "k1")
    write_controls(state, {PLATFORM: OPEN}, at=AT)
    assert seen(state) == {"bot:canary_001": "killed"}
    assert freezes(state) == {"k2": bot}


def test_two_kills_of_one_scope_freeze_it_until_both_ended(state: redis.Redis) -> None:
    write_controls(state, {PLATFORM: OPEN}, at=AT)
    freeze(state, FROZEN)
    freeze(state, replace(FROZEN, kill="k2"))
    thaw(state, "k1")
    assert seen(state) == {PLATFORM: "killed"}
    thaw(state, "k2")
    assert seen(state) == {}


def test_what_a_person_forbade_afterwards_is_what_is_told(state: redis.Redis) -> None:
    freeze(state, FROZEN)
    write_controls(state, {PLATFORM: replace(OPEN, entries_allowed=False, why="news")}, at=AT)
    assert seen(state) == {PLATFORM: "news"}


def test_a_freeze_is_a_kills_and_forbids(state: redis.Redis) -> None:
    for wrong in (replace(FROZEN, kill=None), replace(FROZEN, entries_allowed=True)):
        with pytest.raises(InvalidValue):
            freeze(state, wrong)
    state.hset(FREEZES_KEY, "k1", "nonsense")
    write_controls(state, {PLATFORM: OPEN}, at=AT)
    with pytest.raises(LiveStateError, match="freezes"):
        read_controls(state)
