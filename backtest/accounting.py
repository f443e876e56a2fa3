"""Fills into round trips, and the account's states into its equity curve."""

from __future__ import annotations

from decimal import Decimal

import numpy as np

from alpha.bot.fill import BotFill
from alpha.candles.tape import as_numpy
from alpha.domain.ids import AccountName, BotId, Symbol
from alpha.domain.position import Position
from alpha.domain.trade import BookKey, Trade
from alpha.domain.trade_book import BookFold, TradeBook
from backtest.outcome import EquityCurve
from backtest.timeline import Timeline


class Books:
    """The ledger's own accounting, one TradeBook for each symbol."""

    def __init__(self, bot: BotId, account: AccountName) -> None:
        self._bot = bot
        self._account = account
        self._books: dict[Symbol, BookFold] = {}
        self.fills: list[BotFill] = []
        self.trades: list[Trade] = []

    def take(self, fill: BotFill) -> None:
        told = fill.fill
        book = self._books.get(told.symbol)
        if book is None:
            key = BookKey(bot=self._bot, account=self._account, symbol=told.symbol)
            book = self._books[told.symbol] = BookFold(TradeBook(key=key))
        closed = book.take(told, fill.reason)
        self.fills.append(fill)
        if closed is not None:
            self.trades.append(closed)


class AccountHistory:
    """The balance and the positions after every bar that changed them: all that the curve is made of, so that bars
    between two changes cost nothing until somebody looks."""

    def __init__(self, index: int, balance: Decimal) -> None:
        self._balances: list[tuple[int, float]] = [(index, float(balance))]
        self._positions: dict[Symbol, list[tuple[int, float, float]]] = {}

    def balance(self, index: int, balance: Decimal) -> None:
        self._balances.append((index, float(balance)))

    def position(self, index: int, symbol: Symbol, position: Position) -> None:
        quantity = position.quantity
        # To make a float of a Decimal takes longer than the rest, and every other change is one to flat.
        row = (index, float(quantity), float(position.entry_price)) if quantity else (index, 0.0, 0.0)
        self._positions.setdefault(symbol, []).append(row)

    def curve(self, timeline: Timeline, last: int) -> EquityCurve:
        """From the index at which trading began to the last one."""
        first = self._balances[0][0]
        equity = _stretched(self._balances, last, 1)
        gross = np.zeros(len(equity))
        for symbol, rows in self._positions.items():
            lane = timeline.lanes[symbol]
            latest = lane.latest_between(first, last + 1)
            marks = as_numpy(lane.tape.mark)[np.maximum(latest, 0)] * float(lane.tape.tick_size)
            quantity = _stretched([(first, 0.0, 0.0), *rows], last, 1)
            entry = _stretched([(first, 0.0, 0.0), *rows], last, 2)
            equity += (marks - entry) * quantity
            gross += marks * np.abs(quantity)
        length = timeline.interval.total_seconds() * 1000
        times = timeline.starts_ms[first : last + 1] + int(length)
        return EquityCurve(times_ms=times, equity=equity, gross_notional=gross)


def _stretched(
    changes: list[tuple[int, float]] | list[tuple[int, float, float]], last: int, column: int
) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """One value per index from the first change to `last`, from sparse changes; of several at one index the last
    counts."""
    table = np.array(changes, dtype=np.float64)
    at = table[:, 0].astype(np.int64)
    lengths = np.diff(np.append(at, last + 1))
    values: np.ndarray[tuple[int], np.dtype[np.float64]] = np.repeat(table[:, column], lengths)
    return values
