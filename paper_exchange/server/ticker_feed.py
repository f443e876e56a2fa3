"""The `tickers` topic of linear: a snapshot, then the fields that changed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class TickerFeed:
    """The ticker of one symbol as its listeners know it. `cs`, the cross sequence, rises with each message."""

    def __init__(self, topic: str, symbol: str, cs: int) -> None:
        self._topic = topic
        self._symbol = symbol
        self._told: dict[str, str] = {}
        self._cs = cs

    def begin(self, ticker: dict[str, str]) -> None:
        """Takes the ticker as told."""
        self._told = ticker
        self._cs += 1

    def snapshot(self, ts: int) -> dict[str, Any]:
        """All that was told so far, so that the next delta fits a new listener as well."""
        return self._frame("snapshot", self._told, ts)

    def change(self, ticker: dict[str, str], ts: int) -> dict[str, Any] | None:
        """What differs from what was told, None when nothing does."""
        changed = {name: value for name, value in ticker.items() if self._told.get(name) != value}
        if not changed:
            return None
        self.begin(ticker)
        return self._frame("delta", {"symbol": self._symbol, **changed}, ts)

    def _frame(self, kind: str, data: Mapping[str, str], ts: int) -> dict[str, Any]:
        return {"topic": self._topic, "type": kind, "data": data, "cs": self._cs, "ts": ts}
