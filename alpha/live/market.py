"""Market data in the state database: closed bars as streams, the latest ticker of each symbol as a hash.

All times in it are the market's clock except `updated_at`, the wall time at which the feed wrote.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import redis

from alpha.domain.bar import Bar
from alpha.domain.clock import to_ms
from alpha.domain.errors import InvalidValue
from alpha.domain.ids import Symbol
from alpha.live.answers import entries_after, hash_of, newest_entries, newest_id, run, write_hash
from alpha.live.connection import LiveStateError
from alpha.live.wire import money, ms, parse_money, parse_ms

KEPT = 2_000
_PRICES = ("open", "high", "low", "close", "volume", "turnover")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticker:
    """The latest prices of a symbol. `at` is the market's clock, `updated_at` the wall clock."""

    symbol: Symbol
    last_price: Decimal
    mark_price: Decimal
    bid: Decimal | None
    ask: Decimal | None
    funding_rate: Decimal | None
    at: datetime
    updated_at: datetime


def bar_key(symbol: Symbol, interval: timedelta) -> str:
    """For example `bar:BTCUSDT:5`: minutes, as Bybit's kline topics name intervals below a day."""
    return f"bar:{symbol}:{interval // timedelta(minutes=1)}"


def ticker_key(symbol: Symbol) -> str:
    return f"ticker:{symbol}"


_WRITE_BAR = """
local newest = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)
if newest[1] and tonumber(string.match(newest[1][1], '^%d+')) >= tonumber(ARGV[1]) then return 0 end
redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[2], ARGV[1] .. '-0', 'bar', ARGV[3])
return 1
"""


def write_bar(client: redis.Redis, bar: Bar) -> bool:
    """Append a closed bar under the id `<start ms>-0`; False when that bar or a later one is there already."""
    key = bar_key(bar.symbol, bar.interval)
    return bool(run(client, _WRITE_BAR, key, str(to_ms(bar.start)), str(KEPT), _bar_to_json(bar)))


def last_bar_start(client: redis.Redis, symbol: Symbol, interval: timedelta) -> datetime | None:
    """Start (market clock) of the newest closed bar, or None."""
    newest = newest_id(client, bar_key(symbol, interval))
    return parse_ms(newest.split("-")[0]) if newest else None


def forget_bars(client: redis.Redis, symbol: Symbol, interval: timedelta) -> None:
    """Drop the stream: its bars belong to a market whose clock was set back."""
    client.delete(bar_key(symbol, interval))


def read_bars(
    client: redis.Redis,
    interval: timedelta,
    after: Mapping[Symbol, datetime | None],
    *,
    limit: int = 500,
    block_ms: int | None = None,
) -> list[Bar]:
    """Closed bars that start after the given start of each symbol (None: from the oldest kept), ordered by (start,
    symbol). `limit` is per symbol. With `block_ms` waits that long for the first. A bot checks for gaps itself: a bar
    that does not begin at the end of the one before is preceded by bars it fetches over REST."""
    streams = {bar_key(symbol, interval): _bar_id(start) for symbol, start in after.items()}
    answer = entries_after(client, streams, limit=limit, block_ms=block_ms)
    bars = [_bar_from_json(entry["bar"]) for entries in answer.values() for _, entry in entries]
    return sorted(bars, key=lambda bar: (bar.start, bar.symbol))


def newest_bars(client: redis.Redis, symbol: Symbol, interval: timedelta, count: int) -> list[Bar]:
    """The newest closed bars of one symbol, oldest first."""
    return [_bar_from_json(entry["bar"]) for _, entry in newest_entries(client, bar_key(symbol, interval), count)]


def write_ticker(client: redis.Redis, ticker: Ticker) -> None:
    write_hash(
        client,
        ticker_key(ticker.symbol),
        {
            "last_price": money(ticker.last_price),
            "mark_price": money(ticker.mark_price),
            "bid": money(ticker.bid),
            "ask": money(ticker.ask),
            "funding_rate": money(ticker.funding_rate),
            "at": ms(ticker.at),
            "updated_at": ms(ticker.updated_at),
        },
    )


def read_ticker(client: redis.Redis, symbol: Symbol) -> Ticker | None:
    """The latest ticker or None. Raises LiveStateError for what is not ours."""
    fields = hash_of(client, ticker_key(symbol))
    if not fields:
        return None
    at, updated_at = parse_ms(fields.get("at")), parse_ms(fields.get("updated_at"))
    last_price, mark_price = parse_money(fields.get("last_price")), parse_money(fields.get("mark_price"))
    if at is None or updated_at is None or last_price is None or mark_price is None:
        raise LiveStateError(f"Redis key {ticker_key(symbol)} is not a ticker; delete it: the feed writes it anew")
    return Ticker(
        symbol=symbol,
        last_price=last_price,
        mark_price=mark_price,
        bid=parse_money(fields.get("bid")),
        ask=parse_money(fields.get("ask")),
        funding_rate=parse_money(fields.get("funding_rate")),
        at=at,
        updated_at=updated_at,
    )


def _bar_id(start: datetime | None) -> str:
    return "0" if start is None else f"{to_ms(start)}-0"


def _bar_to_json(bar: Bar) -> str:
    raw: dict[str, Any] = {
        "symbol": bar.symbol,
        "interval_s": int(bar.interval.total_seconds()),
        "start": bar.start.isoformat(),
    }
    raw.update({name: str(getattr(bar, name)) for name in _PRICES})
    return json.dumps(raw, separators=(",", ":"))


def _bar_from_json(text: str) -> Bar:
    try:
        raw: dict[str, Any] = json.loads(text)
        return Bar(
            symbol=Symbol(raw["symbol"]),
            interval=timedelta(seconds=raw["interval_s"]),
            start=datetime.fromisoformat(raw["start"]),
            **{name: Decimal(raw[name]) for name in _PRICES},
        )
    except (KeyError, TypeError, ValueError, ArithmeticError, InvalidValue) as error:
        raise LiveStateError(f"not a bar in Redis ({error!r}); delete the stream: the feed writes it anew") from error
