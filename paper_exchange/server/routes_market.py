"""GET /v5/market/*"""

from __future__ import annotations

from typing import Any

from alpha.domain.clock import to_ms
from alpha.domain.ids import Symbol
from paper_exchange.engine import Refused
from paper_exchange.server.envelope import wall_ms
from paper_exchange.server.exchange import PaperExchange
from paper_exchange.server.market_view import MarketView
from paper_exchange.server.params import Params
from paper_exchange.server.render import ms, text
from paper_exchange.server.render_market import instrument, kline_row, ticker


class MarketRoutes:
    """Each method answers the `result` of one endpoint, or raises Refused."""

    def __init__(self, exchange: PaperExchange, view: MarketView) -> None:
        self._exchange, self._view = exchange, view

    def time(self, _: Params) -> dict[str, Any]:
        now = wall_ms()
        return {"timeSecond": str(now // 1000), "timeNano": str(now * 1_000_000)}

    def kline(self, params: Params) -> dict[str, Any]:
        category, symbol = params.category(), self._symbol(params)
        bars = self._view.klines(
            symbol,
            params.required("interval"),
            params.time("start"),
            params.time("end"),
            params.integer("limit", 200, least=1, most=1000),
        )
        return {"category": category, "symbol": symbol, "list": [kline_row(bar) for bar in bars]}

    def instruments(self, params: Params) -> dict[str, Any]:
        category, symbol = params.category(), params.symbol()
        base, status = params.text("baseCoin"), params.text("status", "Trading")
        listings = [
            listing
            for listing in self._exchange.listings.values()
            if symbol in (None, listing.symbol) and base in ("", listing.instrument.base) and status == "Trading"
        ]
        return {
            "category": category,
            "list": [instrument(listing) for listing in listings],
            "nextPageCursor": "",
        }

    def tickers(self, params: Params) -> dict[str, Any]:
        category, wanted = params.category(), params.symbol()
        symbols = [self._known(wanted)] if wanted else list(self._exchange.listings)
        return {"category": category, "list": [ticker(self._view.quote(symbol)) for symbol in symbols]}

    def funding_history(self, params: Params) -> dict[str, Any]:
        category, symbol = params.category(), self._symbol(params)
        start, end = params.time("startTime"), params.time("endTime")
        if start is not None and end is None:
            raise Refused(10001, "params error: startTime needs endTime")
        limit = params.integer("limit", 200, least=1, most=200)
        now = self._exchange.now
        rates = self._exchange.market.funding_rates(
            symbol, start or self._exchange.market.columns(symbol).start, min(end, now) if end else now
        )
        rows = [
            {"symbol": symbol, "fundingRate": text(rate.rate), "fundingRateTimestamp": ms(rate.time)}
            for rate in reversed(rates)
        ]
        return {"category": category, "list": rows[:limit]}

    def market_ms(self) -> int:
        return to_ms(self._exchange.now)

    def _symbol(self, params: Params) -> Symbol:
        return self._known(Symbol(params.required("symbol")))

    def _known(self, symbol: Symbol) -> Symbol:
        if symbol not in self._exchange.listings:
            raise Refused(10001, "params error: symbol invalid")
        return symbol
