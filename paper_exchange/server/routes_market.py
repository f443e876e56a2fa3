"""Market data: https://bybit-exchange.github.io/docs/v5/market/time and the pages beside it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Literal

from alpha.domain.clock import EPOCH, from_ms, to_ms
from paper_exchange.engine import Refused
from paper_exchange.market.instruments import Listing
from paper_exchange.market.klines import INTERVALS, Candle
from paper_exchange.market.open_interest import open_interest
from paper_exchange.server import render_market
from paper_exchange.server.exchange import Exchange
from paper_exchange.server.paging import Place, cursor_place, first_page, page
from paper_exchange.server.params import BAD_PARAMETER, OTHER_CATEGORIES, Params, invalid
from paper_exchange.server.routes import PublicRoute, Result, Route

_FUNDING_ROWS = 200
_FUNDING_REACH = timedelta(days=400)
_RISK_LIMITS_A_PAGE = 15
_STATUSES = ("Trading", "PreLaunch", "Delivering", "Closed")
_INTEREST_INTERVALS = {
    "5min": timedelta(minutes=5),
    "15min": timedelta(minutes=15),
    "30min": timedelta(minutes=30),
    "1h": timedelta(hours=1),
    "4h": timedelta(hours=4),
    "1d": timedelta(days=1),
}


def server_time(exchange: Exchange, params: Params) -> Result:  # noqa: ARG001
    """The wall clock, as signatures need it; the market's clock is in the header of every answer."""
    now = time.time_ns()
    return {"timeSecond": str(now // 1_000_000_000), "timeNano": str(now)}


def kline(exchange: Exchange, params: Params) -> Result:
    return _candles(exchange, params, "last", render_market.kline_row)


def mark_price_kline(exchange: Exchange, params: Params) -> Result:
    return _candles(exchange, params, "mark", render_market.price_kline_row)


def index_price_kline(exchange: Exchange, params: Params) -> Result:
    return _candles(exchange, params, "index", render_market.price_kline_row)


def instruments_info(exchange: Exchange, params: Params) -> Result:
    category = params.text("category")
    if category in OTHER_CATEGORIES:
        # Clients load the instruments of all categories before they trade in one: there are none, and that is no error.
        return {"category": category, "list": [], "nextPageCursor": ""}
    category = params.linear()
    listings = _asked_for(exchange, params)
    base, status = params.optional("baseCoin"), params.text("status", "Trading")
    if status not in _STATUSES:
        raise invalid("status")
    found = [item for item in listings if base in (None, item.instrument.base) and status == "Trading"]
    rows, cursor = page(found, _by_symbol_id, params, params.limit(default=500, highest=1000))
    return {
        "category": category,
        "list": [render_market.instrument(listing) for listing in rows],
        "nextPageCursor": cursor,
    }


def tickers(exchange: Exchange, params: Params) -> Result:
    category = params.linear()
    rows = [render_market.ticker_row(exchange.ticker(item.symbol), item) for item in _asked_for(exchange, params)]
    return {"category": category, "list": rows}


def orderbook(exchange: Exchange, params: Params) -> Result:
    params.linear()
    symbol = exchange.listing(params.text("symbol")).symbol
    depth = params.limit(default=25, highest=1000)
    return render_market.orderbook(symbol, exchange.order_book(symbol, depth), exchange.now)


def recent_trade(exchange: Exchange, params: Params) -> Result:
    category = params.linear()
    symbol = exchange.listing(params.text("symbol")).symbol
    trades = exchange.recent_trades(symbol, params.limit(default=500, highest=1000))
    return {"category": category, "list": [render_market.recent_trade(trade) for trade in trades]}


def funding_history(exchange: Exchange, params: Params) -> Result:
    category = params.linear()
    symbol = exchange.listing(params.text("symbol")).symbol
    start, end = params.time("startTime"), params.time("endTime")
    if start is not None and end is None:
        raise invalid("endTime")
    last = exchange.now if end is None else min(end, exchange.now)
    first = last - _FUNDING_REACH if start is None else start
    limit = params.limit(default=_FUNDING_ROWS, highest=_FUNDING_ROWS)
    rates = list(exchange.source.funding_rates(symbol, first, last))[-limit:] if first <= last else []
    return {"category": category, "list": [render_market.funding_row(symbol, rate) for rate in reversed(rates)]}


def open_interest_history(exchange: Exchange, params: Params) -> Result:
    """What it was at each full interval, newest first."""
    category = params.linear()
    listing = exchange.listing(params.text("symbol"))
    interval = _INTEREST_INTERVALS.get(params.text("intervalTime"))
    if interval is None:
        raise invalid("intervalTime")
    limit = params.limit(default=50, highest=200)
    start, end = params.time("startTime"), params.time("endTime")
    columns = exchange.source.columns(listing.symbol)
    oldest = columns.start if start is None else max(start, columns.start)
    newest = exchange.now if end is None else min(end, exchange.now)
    after = cursor_place(params)
    if after is not None:
        newest = min(newest, from_ms(max(0, after.time_ms - 1)))
    times = _multiples(newest, oldest, interval)
    shown, cursor = first_page(((Place(to_ms(at), 0), at) for at in times), limit)
    rows = [(at, open_interest(columns, listing.instrument, columns.row_of(at))) for at in shown]
    return {
        "symbol": listing.symbol,
        "category": category,
        "list": [render_market.open_interest(at, interest) for at, interest in rows],
        "nextPageCursor": cursor,
    }


def risk_limit(exchange: Exchange, params: Params) -> Result:
    category = params.linear()
    found = _asked_for(exchange, params)
    listings, cursor = page(found, _by_symbol_id, params, _RISK_LIMITS_A_PAGE)
    return {
        "category": category,
        "list": [
            row
            for listing in listings
            for row in render_market.risk_limits(listing.symbol, exchange.engine.risk_tiers(listing.symbol))
        ],
        "nextPageCursor": cursor,
    }


def price_limit(exchange: Exchange, params: Params) -> Result:
    params.linear("linear")
    symbol = exchange.listing(params.text("symbol")).symbol
    highest_buy, lowest_sell = exchange.engine.price_limits(symbol)
    return render_market.price_limit(symbol, highest_buy, lowest_sell, exchange.now)


def _candles(
    exchange: Exchange,
    params: Params,
    kind: Literal["last", "mark", "index"],
    row: Callable[[Candle], list[str]],
) -> Result:
    category = params.linear("linear")
    listing = exchange.listing(params.text("symbol"))
    interval = INTERVALS.get(params.text("interval"))
    if interval is None:
        raise Refused(BAD_PARAMETER, "Invalid period!")
    candles = exchange.klines.between(
        listing.symbol,
        interval,
        start=params.time("start"),
        end=params.time("end"),
        limit=params.limit(default=200, highest=1000),
        kind=kind,
    )
    return {"category": category, "symbol": listing.symbol, "list": [row(candle) for candle in candles]}


def _multiples(newest: datetime, oldest: datetime, interval: timedelta) -> Iterator[datetime]:
    """The full intervals in [oldest, newest], newest first."""
    at = EPOCH + (newest - EPOCH) // interval * interval
    while at >= oldest:
        yield at
        at -= interval


def _asked_for(exchange: Exchange, params: Params) -> list[Listing]:
    symbol = params.optional("symbol")
    return list(exchange.listings.values()) if symbol is None else [exchange.listing(symbol)]


def _by_symbol_id(listing: Listing) -> Place:
    return Place(0, listing.symbol_id)


ROUTES: tuple[Route, ...] = (
    PublicRoute(path="/v5/market/time", handler=server_time),
    PublicRoute(path="/v5/market/kline", handler=kline),
    PublicRoute(path="/v5/market/mark-price-kline", handler=mark_price_kline),
    PublicRoute(path="/v5/market/index-price-kline", handler=index_price_kline),
    PublicRoute(path="/v5/market/instruments-info", handler=instruments_info),
    PublicRoute(path="/v5/market/tickers", handler=tickers),
    PublicRoute(path="/v5/market/orderbook", handler=orderbook),
    PublicRoute(path="/v5/market/recent-trade", handler=recent_trade),
    PublicRoute(path="/v5/market/funding/history", handler=funding_history),
    PublicRoute(path="/v5/market/open-interest", handler=open_interest_history),
    PublicRoute(path="/v5/market/risk-limit", handler=risk_limit),
    PublicRoute(path="/v5/market/price-limit", handler=price_limit, message=""),
)
