"""The public trades of every symbol: the market's own and those of the exchange's accounts, as one list."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import islice
from typing import NamedTuple
from uuid import UUID, uuid5

from alpha.domain.bar import Bar
from alpha.domain.clock import from_ms, to_ms
from alpha.domain.fill import ExecType
from alpha.domain.ids import Symbol
from alpha.domain.instrument import Instrument
from alpha.domain.side import Side
from paper_exchange.engine import Execution
from paper_exchange.engine.path import legs
from paper_exchange.market.source import MarketStep, MarketTrade

KEPT = 1_000
"""As many as market/recent-trade can be asked for."""

_IDS = UUID("6a3f1d0e-9f0b-5c54-8f83-5d1f5e3f5a10")
_PUBLIC = frozenset({ExecType.TRADE, ExecType.BUST, ExecType.ADL})


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicTrade:
    """One trade as everybody sees it. `side` is the taker's; `trade_id` that of the account's execution if it has one.

    `tick_direction` compares the price with that of the trade before. `seq` never falls within a symbol.
    """

    symbol: Symbol
    time: datetime
    side: Side
    price: Decimal
    quantity: Decimal
    trade_id: str
    seq: int
    tick_direction: str


class _Happened(NamedTuple):
    """What one move of the market, or requests between two, left on the tape of a symbol."""

    bar: Bar | None
    trades: Sequence[MarketTrade] | None
    executions: list[Execution]


class Tape:
    """What was traded lately. A market that tells no trades of its own has four in each bar: at its open, its two
    extremes and its close, when and in the order in which the path passes there, a quarter of the volume each.

    Trades are made of what happened only when somebody asks for them.
    """

    def __init__(self, instruments: Iterable[Instrument]) -> None:
        self._instruments = {instrument.symbol: instrument for instrument in instruments}
        self._happened: dict[Symbol, deque[_Happened]] = {symbol: deque(maxlen=KEPT) for symbol in self._instruments}
        self._trades: dict[Symbol, deque[PublicTrade]] = {symbol: deque(maxlen=KEPT) for symbol in self._instruments}
        self._made = dict.fromkeys(self._instruments, 0)

    def add(self, executions: Sequence[Execution], step: MarketStep | None = None) -> None:
        """The accounts' executions, and the step of the market in which they were made, if it was one."""
        found: dict[Symbol, list[Execution]] = {}
        for execution in executions:
            if execution.exec_type in _PUBLIC:
                found.setdefault(execution.symbol, []).append(execution)
        if step is not None:
            for symbol, bar in step.bars.items():
                happened = _Happened(bar, step.trades.get(symbol), found.pop(symbol, []))
                self._happened[symbol].append(happened)
        for symbol, own in found.items():
            self._happened[symbol].append(_Happened(None, None, own))

    def newest(self, symbol: Symbol, limit: int) -> list[PublicTrade]:
        """Newest first."""
        self._make(symbol)
        return list(islice(reversed(self._trades[symbol]), limit))

    def since(self, symbol: Symbol, count: int) -> list[PublicTrade]:
        """Those after the first `count` trades of the symbol, oldest first, as far as they are kept."""
        new = min(self.count(symbol) - count, KEPT)
        return self.newest(symbol, new)[::-1] if new > 0 else []

    def count(self, symbol: Symbol) -> int:
        """How many trades of the symbol there were since the start, those included that are not kept."""
        self._make(symbol)
        return self._made[symbol]

    def _make(self, symbol: Symbol) -> None:
        happened, kept = self._happened[symbol], self._trades[symbol]
        before = kept[-1] if kept else None
        while happened:
            for trade in sorted(self._in(symbol, happened.popleft()), key=_time):
                before = _after(before, symbol, trade)
                kept.append(before)
                self._made[symbol] += 1

    def _in(self, symbol: Symbol, happened: _Happened) -> Iterator[MarketTrade]:
        if happened.trades is not None:
            yield from happened.trades
        elif happened.bar is not None:
            yield from along(happened.bar, self._instruments[symbol])
        yield from map(_public, happened.executions)


def _after(before: PublicTrade | None, symbol: Symbol, trade: MarketTrade) -> PublicTrade:
    return PublicTrade(
        symbol=symbol,
        time=trade.time if before is None else max(trade.time, before.time),
        side=trade.side,
        price=trade.price,
        quantity=trade.quantity,
        trade_id=trade.trade_id,
        seq=trade.seq if before is None else max(trade.seq, before.seq),
        tick_direction=_direction(before, trade.price),
    )


def along(bar: Bar, instrument: Instrument) -> Iterator[MarketTrade]:
    """The four trades of a bar whose own are not known."""
    three = legs(bar)
    points = [
        (three[0].start_ms, three[0].start_price, 1),
        *((leg.end_ms, leg.end_price, leg.direction) for leg in three),
    ]
    quarter = max(instrument.round_quantity(bar.volume / 4), instrument.quantity_step)
    for number, (at_ms, price, direction) in enumerate(points):
        yield MarketTrade(
            time=from_ms(at_ms),
            side=Side.BUY if direction > 0 else Side.SELL,
            price=price,
            quantity=quarter,
            trade_id=str(uuid5(_IDS, f"{bar.symbol}/{to_ms(bar.start)}/{number}")),
        )


def _public(execution: Execution) -> MarketTrade:
    taker = execution.side.opposite if execution.is_maker else execution.side
    return MarketTrade(
        execution.exec_time, taker, execution.price, execution.quantity, execution.exec_id, execution.seq
    )


def _time(trade: MarketTrade) -> datetime:
    return trade.time


def _direction(before: PublicTrade | None, price: Decimal) -> str:
    if before is None or price > before.price:
        return "PlusTick"
    if price < before.price:
        return "MinusTick"
    return "ZeroPlusTick" if before.tick_direction in ("PlusTick", "ZeroPlusTick") else "ZeroMinusTick"
