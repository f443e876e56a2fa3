"""The lists of an account's past that are compared with the ledger, each as a `Listing` to walk through."""

from __future__ import annotations

from alpha.domain.order import Order
from alpha.exchange.account_books import ClosedPnl, LogEntry
from alpha.exchange.parse import LINEAR, parse_closed_pnl, parse_log_entry, parse_order
from alpha.exchange.walking import Listing

ACCOUNT_LOG: Listing[LogEntry] = Listing(
    pages=lambda client, start, end: client.account_log_pages(start, end),
    read=parse_log_entry,
    at=lambda entry: entry.at,
    key=lambda entry: entry.log_id,
)

CLOSED_PNL: Listing[ClosedPnl] = Listing(
    pages=lambda client, start, end: client.closed_pnl_pages(start, end),
    read=lambda item, account: parse_closed_pnl(item, account, LINEAR),
    at=lambda row: row.created_at,
    key=lambda row: (row.symbol, row.order_id, row.created_at),
)

ORDERS: Listing[Order] = Listing(
    pages=lambda client, start, end: client.order_pages(start, end),
    read=lambda item, account: parse_order(item, account, LINEAR),
    at=lambda order: order.created_at,
    key=lambda order: order.order_id,
)
