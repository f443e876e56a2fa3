"""`rate:{host}:…`: the calls of the last seconds, in the database of short-lived flags, so that all processes share one
budget."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable, Sequence

import redis
import structlog

from alpha.exchange.budget import ADDRESS_LIMIT, Call, KnownLimits, Limit, LocalBudget, Purpose, Scope, refused_scope
from alpha.live.connection import FLAGS_DB, LIVE_ERRORS, RedisAddress, open_redis

log = structlog.get_logger()

_ANSWER_WITHIN_S = 0.25
_AWAY_S = 1.0
_MICROSECONDS = 1_000_000

# Per scope three sorted sets, one of each purpose, hold the times of its calls; the rule is that of
# alpha.exchange.budget.SlidingWindow. Redis' clock is the only one that all processes have in common.
# KEYS: the scopes. ARGV: now in us ("0" for Redis' own clock), the purpose's number, a name of this call, then per
# scope: requests, window in us, and what is kept for each purpose. Answers 0, or how many us to wait.
_TAKE = """
local at = tonumber(ARGV[1])
if at == 0 then
    local time = redis.call('TIME')
    at = tonumber(time[1]) * 1000000 + tonumber(time[2])
end
local purpose = tonumber(ARGV[2])
local wait = 0
for n, scope in ipairs(KEYS) do
    local base = 3 + (n - 1) * 5
    local requests, window = tonumber(ARGV[base + 1]), tonumber(ARGV[base + 2])
    local used, kept, oldest = 0, 0, nil
    for p = 1, 3 do
        local calls = scope .. ':' .. p
        redis.call('ZREMRANGEBYSCORE', calls, '-inf', string.format('%.0f', at - window))
        local count = redis.call('ZCARD', calls)
        used = used + count
        if p ~= purpose then
            kept = kept + math.max(0, tonumber(ARGV[base + 2 + p]) - count)
        end
        local first = redis.call('ZRANGE', calls, 0, 0, 'WITHSCORES')[2]
        if first and (not oldest or tonumber(first) < oldest) then
            oldest = tonumber(first)
        end
    end
    if used + kept >= requests and oldest then
        wait = math.max(wait, oldest + window - at, 1000)
    end
    local paused = redis.call('PTTL', scope .. ':paused')
    if paused > 0 then
        wait = math.max(wait, paused * 1000)
    end
end
if wait == 0 then
    for n, scope in ipairs(KEYS) do
        local window = tonumber(ARGV[3 + (n - 1) * 5 + 2])
        local calls = scope .. ':' .. purpose
        redis.call('ZADD', calls, string.format('%.0f', at), ARGV[3])
        redis.call('PEXPIRE', calls, math.ceil(window / 1000) + 1000)
    end
end
return wait
"""


def count_or_wait(
    client: redis.Redis, scopes: Sequence[Scope], purpose: Purpose, name: str, *, at_us: int = 0
) -> float:
    """0.0 when the call has been counted against all of its scopes, else the seconds to wait. `name` must not repeat.

    `at_us` takes the place of Redis' clock.
    """
    numbers: list[int] = []
    for scope in scopes:
        numbers += [scope.limit.requests, round(scope.limit.window_s * _MICROSECONDS), *scope.reserved.values()]
    keys = [f"rate:{scope.key}" for scope in scopes]
    number = list(Purpose).index(purpose) + 1
    wait_us = client.eval(_TAKE, len(keys), *keys, str(at_us), str(number), name, *map(str, numbers))
    return int(str(wait_us)) / _MICROSECONDS


class SharedBudget:
    """One budget of all processes that use the same Redis, that is: of one address.

    While Redis is away each process keeps to a fixed share of the limits by itself, and for a window after its return
    to both, because Redis does not know of the calls made meanwhile. One object serves all threads of a process.
    """

    def __init__(
        self,
        address: RedisAddress,
        *,
        local: LocalBudget | None = None,
        limit: Limit = ADDRESS_LIMIT,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._redis: redis.Redis = open_redis(address, FLAGS_DB, timeout_s=_ANSWER_WITHIN_S)
        self._local = local or LocalBudget(address=limit)
        self._limits = KnownLimits(limit)
        self._settled_after_s = limit.with_margin.window_s + _AWAY_S
        self._clock = clock
        self._away_until_s = 0.0
        self._both_until_s = 0.0
        # Names of calls must differ between processes and threads; next() of a count is atomic.
        self._names = map(f"{os.getpid()}-{id(self)}-{{}}".format, itertools.count())

    def take(self, call: Call) -> float:
        if self._clock() >= self._away_until_s:
            try:
                return self._take(call)
            except LIVE_ERRORS as error:
                self._lost(error)
        return self._local.take(call)

    def told(self, call: Call, limit: int) -> None:
        self._limits.told(call, limit)
        self._local.told(call, limit)

    def pause(self, call: Call, for_s: float, *, whole_address: bool) -> None:
        self._local.pause(call, for_s, whole_address=whole_address)
        scope = refused_scope(self._limits.scopes(call), whole_address=whole_address)
        try:
            # Never shortened: of two answers the one that asks for more counts.
            key, for_ms = f"rate:{scope.key}:paused", max(1, round(for_s * 1000))
            if not self._redis.set(key, "1", px=for_ms, nx=True):
                self._redis.pexpire(key, for_ms, gt=True)
        except LIVE_ERRORS as error:
            self._lost(error)

    def close(self) -> None:
        self._redis.close()

    def _take(self, call: Call) -> float:
        if self._clock() < self._both_until_s and (wait_s := self._local.take(call)) > 0.0:
            return wait_s
        return count_or_wait(self._redis, self._limits.scopes(call), call.purpose, next(self._names))

    def _lost(self, error: Exception) -> None:
        at_s = self._clock()
        if at_s >= self._both_until_s:
            log.warning("rate_budget_local", reason=str(error), hint="each process keeps to a share of the limits")
        self._away_until_s = at_s + _AWAY_S
        self._both_until_s = self._away_until_s + self._settled_after_s


def calls_in_window(client: redis.Redis) -> dict[tuple[str, Purpose], int]:
    """Calls that are still counted, by scope (`host:address`, or `host:account:path`) and purpose. `client` is of the
    database of flags."""
    found: dict[tuple[str, Purpose], int] = {}
    purposes = list(Purpose)
    for key in client.scan_iter(match="rate:*", count=500):
        scope, _, number = str(key).removeprefix("rate:").rpartition(":")
        if number.isdigit() and 1 <= int(number) <= len(purposes):
            found[scope, purposes[int(number) - 1]] = int(str(client.zcard(key)))
    return found
