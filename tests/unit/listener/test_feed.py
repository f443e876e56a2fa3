"""What of a large market is heard on which connection, and in which order it is written."""

from __future__ import annotations

import queue
from decimal import Decimal

import pytest

from alpha.domain.ids import Symbol
from alpha.exchange.budget import LocalBudget
from alpha.exchange.endpoints import paper_endpoints
from alpha.exchange.parse import BarUpdate, PublicMessage
from alpha.exchange.ticker import Ticker
from alpha.live.connection import STATE_DB, RedisAddress, open_redis
from tests.unit.bot.parts import BTC, a_bar
from websocket_listener import feed
from websocket_listener.feed import Feed, shares_of

BYBIT_TAKES = 21_000


def test_few_symbols_share_one_connection() -> None:
    assert shares_of([Symbol("BTCUSDT"), Symbol("ETHUSDT")]) == [("BTCUSDT", "ETHUSDT")]


def test_no_connection_is_asked_for_more_topics_than_the_exchange_takes() -> None:
    symbols = [Symbol(f"SYMBOL{number:04}USDT") for number in range(1_500)]
    shares = shares_of(symbols)
    assert [symbol for share in shares for symbol in share] == symbols
    lengths = [sum(len(f"kline.5.{symbol}tickers.{symbol}") for symbol in share) for share in shares]
    assert max(lengths) <= BYBIT_TAKES
    # As few as it takes: the next symbol would not have fitted.
    assert all(length + len(f"kline.5.{symbols[0]}tickers.{symbols[0]}") > BYBIT_TAKES for length in lengths[:-1])


def test_prices_are_written_before_the_bars_that_closed_at_them(monkeypatch: pytest.MonkeyPatch) -> None:
    written: queue.SimpleQueue[str] = queue.SimpleQueue()
    bar = a_bar("100")
    monkeypatch.setattr(feed.market, "last_bar_start", lambda *_: None)
    monkeypatch.setattr(feed.market, "write_bar", lambda *_: written.put("bar"))
    monkeypatch.setattr(feed.market, "write_ticker", lambda *_: written.put("ticker"))
    monkeypatch.setattr(feed, "write_feed_health", lambda *_: None)
    # Nobody is there: nothing is asked of either.
    redis = open_redis(RedisAddress(host="127.0.0.1", port=1, password=""), STATE_DB)
    heard = Feed(paper_endpoints("http://127.0.0.1:1"), [BTC], redis, LocalBudget())
    price = Decimal(100)
    for message in (
        PublicMessage(topic="", created_at=bar.end, bars=(BarUpdate(bar=bar, is_closed=True),)),
        PublicMessage(
            topic="", created_at=bar.end, ticker=Ticker(symbol=BTC, at=bar.end, last_price=price, mark_price=price)
        ),
    ):
        heard._take(message)
    heard._flush()
    assert [written.get_nowait() for _ in range(2)] == ["ticker", "bar"]
