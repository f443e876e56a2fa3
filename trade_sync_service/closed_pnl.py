"""Closed P&L as the exchange counts it, into completed_trades."""

from __future__ import annotations

from collections.abc import Iterator

from alpha.exchange.listings import CLOSED_PNL
from alpha.exchange.walking import walk
from alpha.ledger.completed_trades import name_owners, save_completed_trades
from trade_sync_service.comparison import Found, Sides, Stretch


def sync_closed_pnl(sides: Sides, stretch: Stretch) -> Iterator[Found]:
    """Stores the rows of a stretch, part by part, oldest first. Raises UnknownMessage after what could be read is
    stored."""
    for window in walk(CLOSED_PNL, sides.client, stretch.start, stretch.end):
        changed = save_completed_trades(sides.ledger, window.rows)
        if window.unreadable:
            raise window.unreadable[0]
        name_owners(sides.ledger, sides.client.account, window.start, window.end)
        yield Found(through=window.end, rows=len(window.rows), detail=f"{changed} new or changed" if changed else "")
