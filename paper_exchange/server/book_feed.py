"""The `orderbook` topic: a snapshot, then what changed (https://bybit-exchange.github.io/docs/v5/websocket/public/orderbook)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from paper_exchange.engine import OrderBook
from paper_exchange.engine.liquidity import Level
from paper_exchange.server.wire_text import number

DEPTHS = (1, 50, 200, 1000)

Levels = dict[str, str]


class BookFeed:
    """The book of one symbol at one depth as its listeners know it.

    `u` counts the messages. A client applies a delta to what it holds, so a level is deleted only if it was told, and
    whoever comes later begins with what the others were told last. Depth 1 has no deltas: each change is a snapshot.
    """

    def __init__(self, topic: str, symbol: str, depth: int) -> None:
        self.topic = topic
        self.symbol = symbol
        self.depth = depth
        self._bids: Levels = {}
        self._asks: Levels = {}
        self._u = 1
        self._seq = 0

    def snapshot(self, cts: int, ts: int) -> dict[str, Any]:
        """All that was told so far."""
        return self._frame("snapshot", self._bids, self._asks, cts, ts)

    def begin(self, book: OrderBook, *, anew: bool = False) -> None:
        """Takes the book as told. With `anew` as after a restart of the service, which clients know by u = 1."""
        self._bids, self._asks = _texts(book.bids), _texts(book.asks)
        self._u = 1 if anew else self._u + 1
        self._seq = book.seq if anew else max(self._seq, book.seq)

    def change(self, book: OrderBook, cts: int, ts: int) -> dict[str, Any] | None:
        """The message that makes listeners know the book as it is now; None when they do."""
        bids, asks = _texts(book.bids), _texts(book.asks)
        changed_bids, changed_asks = _changes(self._bids, bids), _changes(self._asks, asks)
        if not changed_bids and not changed_asks:
            return None
        self._bids, self._asks = bids, asks
        self._u += 1
        self._seq = max(self._seq, book.seq)
        if self.depth == 1:
            return self.snapshot(cts, ts)
        return self._frame("delta", changed_bids, changed_asks, cts, ts)

    def _frame(self, kind: str, bids: Levels, asks: Levels, cts: int, ts: int) -> dict[str, Any]:
        data = {
            "s": self.symbol,
            "b": [[price, size] for price, size in sorted(bids.items(), key=_price, reverse=True)],
            "a": [[price, size] for price, size in sorted(asks.items(), key=_price)],
            "u": self._u,
            "seq": self._seq,
        }
        return {"topic": self.topic, "type": kind, "ts": ts, "data": data, "cts": cts}


def _texts(levels: Iterable[Level]) -> Levels:
    return {number(level.price): number(level.quantity) for level in levels}


def _changes(before: Mapping[str, str], now: Mapping[str, str]) -> Levels:
    """Levels that are new or of another size; size 0 for what is gone."""
    changed = {price: size for price, size in now.items() if before.get(price) != size}
    changed.update((price, "0") for price in before if price not in now)
    return changed


def _price(level: tuple[str, str]) -> float:
    # A float orders prices of one symbol as they are, and is not shown to anybody.
    return float(level[0])
