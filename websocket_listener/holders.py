from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable

from alpha.domain.ids import AccountName, BotId, OrderId, Symbol
from alpha.domain.trade import BookKey
from alpha.domain.trade_book import TradeBook


class Holders:
    """Which bots hold a position now, by account, symbol and position index; kept from the books of every commit."""

    def __init__(self) -> None:
        self._open: dict[tuple[AccountName, Symbol, int], set[BotId]] = {}

    def folded(self, books: Iterable[TradeBook]) -> None:
        for book in books:
            bots = self._open.setdefault(_row(book.key), set())
            if book.position.is_flat:
                bots.discard(book.key.bot)
            else:
                bots.add(book.key.bot)

    def holder_of(self, account: AccountName, symbol: Symbol, position_idx: int) -> BotId | None:
        """The bot that holds the position, when it is one bot only."""
        bots = self._open.get((account, symbol, position_idx), set())
        return next(iter(bots)) if len(bots) == 1 else None


class OrderOwners:
    """Whose order an id is, for the orders heard lately; older ones are asked of the ledger."""

    def __init__(self, kept: int = 50_000) -> None:
        self._kept = kept
        self._bots: OrderedDict[tuple[AccountName, OrderId], BotId] = OrderedDict()

    def heard(self, account: AccountName, order_id: OrderId, bot: BotId) -> None:
        self._bots[(account, order_id)] = bot
        if len(self._bots) > self._kept:
            self._bots.popitem(last=False)

    def of(self, account: AccountName, order_id: OrderId) -> BotId | None:
        return self._bots.get((account, order_id))


def _row(key: BookKey) -> tuple[AccountName, Symbol, int]:
    return (key.account, key.symbol, key.position_idx)
