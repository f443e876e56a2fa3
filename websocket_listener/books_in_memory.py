from __future__ import annotations

from collections.abc import Mapping, Sequence

from alpha.domain.ids import AccountName
from alpha.domain.trade_book import TradeBook
from websocket_listener.live_state import LiveState
from websocket_listener.writer import Writer


class BooksInMemory:
    """Both places where this process keeps books: the writer, for who holds a position, and the live state, for what
    bots on a shared account are shown and what is compared with the exchange. Each is told in its own turn."""

    def __init__(self, writer: Writer, live: LiveState) -> None:
        self._writer, self._live = writer, live

    def books_changed(self, account: AccountName, books: Sequence[TradeBook]) -> None:
        self._writer.books_changed(books)
        self._live.call(lambda: self._live.folded(account, books))

    def event(self, account: AccountName, event: Mapping[str, object]) -> None:
        self._live.call(lambda: self._live.event(account, event))
