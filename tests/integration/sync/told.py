"""An exchange that tells of one account what a test puts into it, in Bybit's shapes and pages."""

from __future__ import annotations

import time
from datetime import datetime
from typing import Any

from alpha.domain.clock import to_ms
from tests.integration.client.stub_exchange import Received, Reply, StubExchange, ok

LOG, CLOSED, EXECUTIONS, ORDERS = (
    "/v5/account/transaction-log",
    "/v5/position/closed-pnl",
    "/v5/execution/list",
    "/v5/order/history",
)


class Told:
    """The lists of one account. Their rows are dictionaries as they go over the wire."""

    def __init__(self, stub: StubExchange) -> None:
        self.log: list[dict[str, Any]] = []
        self.closed: list[dict[str, Any]] = []
        self.executions: list[dict[str, Any]] = []
        self.ahead_s = 0.0
        """By how much the exchange's clock is ahead of ours."""
        self.between_pages: list[dict[str, Any]] = []
        """Entries that come into the log once its first page has been read."""
        self.by_offset = False
        """Whether cursors are numbers of rows, so that pages shift when rows come."""
        stub.rest = {
            LOG: lambda request: self._page(request, self.log, "transactionTime"),
            CLOSED: lambda request: self._page(request, self.closed, "createdTime"),
            EXECUTIONS: lambda request: self._page(request, self.executions, "execTime"),
            ORDERS: lambda request: self._page(request, [], "createdTime"),
            "/v5/market/time": lambda _: self._answer({"timeSecond": "1", "timeNano": "1"}),
            "/v5/user/query-api": lambda _: ok({"userID": 7, "readOnly": 1, "expiredAt": "2031-05-01T00:00:00Z"}),
            "/v5/account/wallet-balance": lambda _: ok({"list": [{"totalEquity": "1000", "coin": []}]}),
        }

    def enter(self, at: datetime, change: str, balance: str, *, log_id: str, **changes: Any) -> dict[str, Any]:
        """An entry of the transaction log, put into it."""
        self.log.append(entry(at, change, balance, log_id=log_id, **changes))
        return self.log[-1]

    def _page(self, request: Received, rows: list[dict[str, Any]], time_field: str) -> Reply:
        start, end, limit = (int(request.query[name]) for name in ("startTime", "endTime", "limit"))
        chosen = [row for row in rows if start <= int(row[time_field]) <= end]
        listed = sorted(chosen, key=lambda row: -int(row[time_field]))
        cursor = request.query.get("cursor")
        if cursor is None or self.by_offset:
            first = int(cursor or 0)
        else:
            first = next((n for n, row in enumerate(listed) if int(row[time_field]) < int(cursor)), len(listed))
        page = listed[first : first + limit]
        more = ""
        if first + limit < len(listed):
            more = str(first + limit) if self.by_offset else page[-1][time_field]
        if rows is self.log and self.between_pages:
            rows += self.between_pages
            self.between_pages = []
        return self._answer({"category": "linear", "list": page, "nextPageCursor": more})

    def _answer(self, result: dict[str, Any]) -> Reply:
        reply = ok(result)
        reply.body["time"] = int((time.time() + self.ahead_s) * 1000)
        return reply


def entry(at: datetime, change: str, balance: str, *, log_id: str, **changes: Any) -> dict[str, Any]:
    """An entry of account/transaction-log (bybit-exchange.github.io/docs/v5/account/transaction-log)."""
    return {
        "id": log_id,
        "symbol": "BTCUSDT",
        "category": "linear",
        "side": "Buy",
        "transactionTime": str(to_ms(at)),
        "type": "TRADE",
        "transSubType": "",
        "qty": "0.001",
        "size": "0.001",
        "currency": "USDT",
        "tradePrice": "100000",
        "funding": "",
        "fee": "0",
        "cashFlow": change,
        "change": change,
        "cashBalance": balance,
        "feeRate": "0.00055",
        "bonusChange": "",
        "tradeId": f"exec-{log_id}",
        "orderId": f"order-{log_id}",
        "orderLinkId": "",
        "extraFees": "",
    } | changes


def closed_row(at: datetime, updated: datetime, closed: str, pnl: str) -> dict[str, Any]:
    """A row of position/closed-pnl: a long that a limit order sells bit by bit."""
    return {
        "symbol": "BTCUSDT",
        "orderId": "closing-order",
        "side": "Sell",
        "qty": "0.010",
        "orderPrice": "100500",
        "orderType": "Limit",
        "execType": "Trade",
        "closedSize": closed,
        "cumEntryValue": "100",
        "avgEntryPrice": "100000",
        "cumExitValue": "101",
        "avgExitPrice": "100500",
        "closedPnl": pnl,
        "fillCount": "1",
        "leverage": "10",
        "openFee": "0.05",
        "closeFee": "0",
        "createdTime": str(to_ms(at)),
        "updatedTime": str(to_ms(updated)),
    }
