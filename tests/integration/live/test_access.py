"""The access list of Redis, asked of a real server."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
import redis

from alpha.domain.ids import AccountName, BotId, Symbol
from alpha.exchange.budget import Call, Purpose
from alpha.live import access, bus, market
from alpha.live.connection import BUS_DB, FLAGS_DB, STATE_DB, RedisAddress, open_redis
from alpha.live.rate_budget import SharedBudget

MAIN = AccountName("main")
FIRST, SECOND = BotId("first_001"), BotId("second_001")


@pytest.fixture
def users(redis_address: RedisAddress) -> Iterator[RedisAddress]:
    """Two bots, a listener, a feed and a watcher; each one's password is its name."""
    rules = {
        FIRST: access.bot_rules(FIRST, MAIN),
        SECOND: access.bot_rules(SECOND, MAIN),
        "listener": access.listener_rules([FIRST, SECOND]),
        "feed": access.feed_rules(),
        "watcher": access.watching_rules("watcher", "freezes"),
    }
    with open_redis(redis_address, STATE_DB) as client:
        access.set_users(client, {name: (name, found) for name, found in rules.items()})
        yield redis_address
        access.set_users(client, {})


def as_user(address: RedisAddress, name: str) -> redis.Redis:
    return open_redis(replace(address, user=name, password=name), STATE_DB)


def is_refused(client: redis.Redis, *command: str) -> bool:
    try:
        client.execute_command(*command)
    except redis.exceptions.NoPermissionError:
        return True
    except redis.exceptions.ResponseError as error:
        if "ACL failure in script" not in str(error):
            raise
        return True
    return False


def test_a_bot_writes_its_sign_of_life_and_its_state_and_reads_what_is_its_own(users: RedisAddress) -> None:
    with as_user(users, FIRST) as bot:
        assert not is_refused(bot, "HSET", "first_001:heartbeat", "state", "running")
        assert not is_refused(bot, "SET", "first_001:state", "{}")
        assert not is_refused(bot, "HGETALL", "first_001:position:BTCUSDT")
        assert not is_refused(bot, "XRANGE", "first_001:fills", "-", "+")
        assert not is_refused(bot, "HGETALL", "ticker:BTCUSDT")
        assert not is_refused(bot, "HGETALL", "wallet:main")
        assert is_refused(bot, "HSET", "first_001:position:BTCUSDT", "size", "9")
        assert is_refused(bot, "HSET", "controls", "platform", "{}")


def test_a_bot_reaches_nothing_of_another_one(users: RedisAddress) -> None:
    with as_user(users, FIRST) as bot:
        for command in (
            ("GET", "second_001:state"),
            ("SET", "second_001:state", "{}"),
            ("HGETALL", "second_001:position:BTCUSDT"),
            ("XADD", "second_001:fills", "*", "fill", "{}"),
            ("HGETALL", "wallet:other"),
            ("LRANGE", "alerts:waiting:bot-second_001", "0", "-1"),
        ):
            assert is_refused(bot, *command), command


def test_the_listener_reads_bars_to_measure_round_trips_by_and_writes_none(users: RedisAddress) -> None:
    bar = market.bar_key(Symbol("BTCUSDT"), timedelta(minutes=5))
    with as_user(users, "listener") as listener:
        assert not is_refused(listener, "XREVRANGE", bar, "+", "-", "COUNT", "1")
        assert is_refused(listener, "XADD", bar, "*", "close", "1")
        assert is_refused(listener, "DEL", bar)


@pytest.mark.parametrize("name", [FIRST, "listener", "feed", "watcher"])
def test_nobody_but_the_operator_administers(users: RedisAddress, name: str) -> None:
    with as_user(users, name) as client:
        for command in (
            ("FLUSHALL",),
            ("CONFIG", "GET", "*"),
            ("ACL", "LIST"),
            ("SHUTDOWN", "NOSAVE"),
            ("FUNCTION", "FLUSH"),
            ("SCRIPT", "FLUSH"),
            ("SCRIPT", "LOAD", "return 1"),
        ):
            assert is_refused(client, *command), command


@pytest.mark.parametrize("name", [FIRST, "feed", "watcher"])
def test_what_all_share_is_added_to_and_not_taken_away(users: RedisAddress, name: str) -> None:
    address = replace(users, user=name, password=name)
    budget = SharedBudget(address)
    call = Call(host=f"{name}.test", path="/v5/market/time", account=None, purpose=Purpose.EXIT)
    assert budget.take(call) == 0.0
    budget.pause(call, 60.0, whole_address=True)
    budget.pause(call, 90.0, whole_address=True)
    budget.close()
    with open_redis(users, FLAGS_DB) as operator:
        counted, paused = f"rate:{call.host}:address:1", f"rate:{call.host}:address:paused"
        assert operator.zcard(counted) == 1
        assert int(str(operator.ttl(paused))) > 60
    with open_redis(address, BUS_DB) as client:
        bus.publish(client, bus.ALERTS, [{"kind": "test"}])
        for command in (
            ("DEL", bus.ALERTS),
            ("XTRIM", bus.ALERTS, "MAXLEN", "0"),
            ("UNLINK", counted),
            ("RENAME", counted, "rate:gone"),
            ("EVAL", "return redis.call('DEL', KEYS[1])", "1", bus.ALERTS),
        ):
            assert is_refused(client, *command), command


def test_the_watcher_reads_everything_and_writes_what_it_is_for(users: RedisAddress) -> None:
    with as_user(users, "watcher") as client:
        assert not is_refused(client, "HGETALL", "first_001:position:BTCUSDT")
        assert not is_refused(client, "INFO", "memory")
        assert not is_refused(client, "HSET", "freezes", "platform", "{}")
        assert is_refused(client, "HSET", "controls", "platform", "{}")


def test_whoever_is_not_on_the_list_any_more_is_gone(users: RedisAddress) -> None:
    with open_redis(users, STATE_DB) as operator:
        access.set_users(operator, {SECOND: (SECOND, access.bot_rules(SECOND, MAIN))})
    with as_user(users, FIRST) as bot, pytest.raises(redis.AuthenticationError):
        bot.ping()
