"""Closed P&L: https://bybit-exchange.github.io/docs/v5/position/close-pnl."""

from __future__ import annotations

from datetime import timedelta

from alpha.domain.clock import to_ms
from paper_exchange.accounts import ExchangeAccount
from paper_exchange.server.exchange import Exchange
from paper_exchange.server.order_scope import symbols_of
from paper_exchange.server.paging import Place, page, window
from paper_exchange.server.params import Params
from paper_exchange.server.render_positions import closed_pnl_row
from paper_exchange.server.routes import PrivateRoute, Result, Route

_REACH = timedelta(days=730)


def closed_pnl(exchange: Exchange, account: ExchangeAccount, params: Params) -> Result:
    """One row per order that closed something, by the time of its first close."""
    category = params.linear()
    limit = params.limit(default=50, highest=100)
    symbols = symbols_of(exchange, params)
    start, end = window(params, exchange.now)
    start = max(start, exchange.now - _REACH)
    # What one millisecond holds keeps the order in which it was closed: rows are added, never taken away.
    placed = [
        (Place(to_ms(row.created_at), number), row)
        for number, row in enumerate(exchange.engine.closed_pnl(account.uid))
        if start <= row.created_at <= end and (symbols is None or row.symbol in symbols)
    ]
    shown, cursor = page(placed, lambda pair: pair[0], params, limit)
    return {"category": category, "nextPageCursor": cursor, "list": [closed_pnl_row(row) for _, row in shown]}


ROUTES: tuple[Route, ...] = (PrivateRoute(path="/v5/position/closed-pnl", handler=closed_pnl),)
