"""Emptying Redis on purpose: what was published under a ledger that is no longer the ledger must not be believed."""

from __future__ import annotations

from alpha.live.connection import STATE_DB, RedisAddress, open_redis


def forget_everything(address: RedisAddress) -> None:
    """Drops all 64 databases; listener and feed rebuild them from the ledger and the exchange. Raises LIVE_ERRORS."""
    with open_redis(address, STATE_DB) as client:
        client.flushall()
