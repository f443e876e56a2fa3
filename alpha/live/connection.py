"""Addresses, database numbers and clients of Redis."""

from __future__ import annotations

from dataclasses import dataclass, field

import redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from alpha.domain.errors import AlphaError

BUS_DB = 10
"""Streams anyone may follow: `bus:fills`, `bus:orders`, `bus:events`, `bus:alerts`."""
STATE_DB = 11
"""Market data, listener and feed health, wallets, the mirror of the controls."""
FLAGS_DB = 12
"""Short-lived flags and rate budgets; every key has a time to live."""
RESERVED_DBS = frozenset({BUS_DB, STATE_DB, FLAGS_DB})

LIVE_ERRORS = (RedisError, OSError)
"""What a caller catches when Redis may be away: live state is speed, never truth."""


class LiveStateError(AlphaError):
    """Something in Redis is not what we write there."""


@dataclass(frozen=True, slots=True)
class RedisAddress:
    """Where Redis listens. An empty password means none, an empty user Redis' own `default`."""

    host: str
    port: int
    password: str = field(default="", repr=False)
    user: str = ""


def open_redis(address: RedisAddress, db: int, *, timeout_s: float = 2.0) -> redis.Redis:
    """A client of one database; strings in and out. Connects lazily, once more per command after a cut.

    `timeout_s` bounds a connection attempt and the wait for an answer, so blocking reads must ask for less.
    Commands raise members of `LIVE_ERRORS` when Redis is away.
    """
    return redis.Redis(
        host=address.host,
        port=address.port,
        username=address.user or None,
        password=address.password or None,
        db=db,
        decode_responses=True,
        socket_timeout=timeout_s,
        socket_connect_timeout=timeout_s,
        socket_keepalive=True,
        protocol=2,
        retry=Retry(NoBackoff(), 1),
    )
