"""Market data: https://bybit-exchange.github.io/docs/v5/market/time and the pages beside it."""

from __future__ import annotations

import time
from datetime import timedelta

from paper_exchange.engine import Refused
from paper_exchange.market.instruments import Listing
from paper_exchange.market.klines import INTERVALS
from paper_exchange.server import render_market
from paper_exchange.server.exchange import Exchange
from paper_exchange.server.paging import Place, page
from paper_exchange.server.params import BAD_PARAMETER, Params, invalid
from paper_exchange.server.routes import PublicRoute, Result, Route

_FUNDING_ROWS = 200
_FUNDING_REACH = timedelta(days=400)


def server_time(exchange: Exchange, params: Params) -> Result:  # noqa: ARG001
    """The wall clock, as signatures need it; the market's clock is in the header of every answer."""
    now = time.time_ns()
    return {"timeSecond": str(now // 1_000_000_000), "timeNano": str(now)}


def kline(exchange: Exchange, params: Params) -> Result:
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
    )
    rows = [render_market.kline_row(candle) for candle in candles]
    return {"category": category, "symbol": listing.symbol, "list": rows}


def instruments_info(exchange: Exchange, params: Params) -> Result:
    category = params.linear()
    listings = _asked_for(exchange, params)
    base, status = params.optional("baseCoin"), params.text("status", "Trading")
    found = [item for item in listings if base in (None, item.instrument.base) and status == "Trading"]
    rows, cursor = page(found, lambda item: Place(0, item.symbol_id), params, params.limit(default=500, highest=1000))
    return {
        "category": category,
        "list": [render_market.instrument(listing) for listing in rows],
        "nextPageCursor": cursor,
    }


def tickers(exchange: Exchange, params: Params) -> Result:
    category = params.linear()
    rows = [render_market.ticker_row(exchange.ticker(item.symbol), item) for item in _asked_for(exchange, params)]
    return {"category": category, "list": rows}


def funding_history(exchange: Exchange, params: Params) -> Result:
    category = params.linear()
    symbol = exchange.listing(params.text("symbol")).symbol
    start, end = params.time("startTime"), params.time("endTime")
    if start is not None and end is None:
        raise invalid("endTime")
    last = exchange.now if end is None else min(end, exchange.now)
    first = last - _FUNDING_REACH if start is None else start
    limit = params.limit(default=_FUNDING_ROWS, highest=_FUNDING_ROWS)
    rates = list(exchange.source.funding_rates(symbol, first, last))[-limit:]
    return {"category": category, "list": [render_market.funding_row(symbol, rate) for rate in reversed(rates)]}


def _asked_for(exchange: Exchange, params: Params) -> list[Listing]:
    symbol = params.optional("symbol")
    return list(exchange.listings.values()) if symbol is None else [exchange.listing(symbol)]


ROUTES: tuple[Route, ...] = (
    PublicRoute(path="/v5/market/time", handler=server_time),
    PublicRoute(path="/v5/market/kline", handler=kline),
    PublicRoute(path="/v5/market/instruments-info", handler=instruments_info),
    PublicRoute(path="/v5/market/tickers", handler=tickers),
    PublicRoute(path="/v5/market/funding/history", handler=funding_history),
)
