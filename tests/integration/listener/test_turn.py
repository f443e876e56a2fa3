"""Listeners that have to begin anew: one after the other, those that stand by first. Against a real Valkey."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
import redis

from alpha.live import access, turns
from alpha.live.connection import FLAGS_DB, RedisAddress, open_redis
from websocket_listener.turn import STANDBYS_FIRST_S, Turn


@pytest.fixture
def flags(redis_address: RedisAddress) -> Iterator[redis.Redis]:
    with open_redis(redis_address, FLAGS_DB) as client:
        yield client


class Clock:
    now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def test_leader_and_standby_never_end_at_the_same_time_and_the_standby_ends_first(flags: redis.Redis) -> None:
    clock = Clock()
    leader = Turn(flags, "host:1", lambda: True, clock=clock)
    standby = Turn(flags, "host:2", lambda: False, clock=clock)
    # given both saw the new symbol at the same second
    assert (leader.has_come(), standby.has_come()) == (False, True)
    # then the leader stays while the other is away
    clock.now_s += STANDBYS_FIRST_S
    assert not leader.has_come()
    assert 0 < flags.pttl(turns.KEY) <= 120_000
    # and ends when it is back
    flags.delete(turns.KEY)
    assert leader.has_come()


def test_two_that_each_record_an_account_end_one_after_the_other(flags: redis.Redis) -> None:
    clock = Clock()
    turns_of = [Turn(flags, f"host:{n}", lambda: True, clock=clock) for n in (1, 2)]
    assert [turn.has_come() for turn in turns_of] == [False, False]
    clock.now_s += STANDBYS_FIRST_S
    assert [turn.has_come() for turn in turns_of] == [True, False]


def test_without_redis_nobody_ends(redis_address: RedisAddress) -> None:
    with open_redis(replace(redis_address, port=1), FLAGS_DB) as away:
        assert not Turn(away, "host:1", lambda: False).has_come()


def test_the_access_list_lets_a_listener_take_its_turn(flags: redis.Redis, redis_address: RedisAddress) -> None:
    access.set_users(flags, {"listener": ("listener", access.listener_rules([]))})
    try:
        with open_redis(replace(redis_address, user="listener", password="listener"), FLAGS_DB) as its_own:
            assert turns.take_turn(its_own, "host:1", for_s=1)
    finally:
        access.set_users(flags, {})
