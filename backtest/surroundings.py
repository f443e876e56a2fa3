"""What a bot in a backtest knows of the world: for the broker and for the gate."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal

from alpha.bot.broker import HeldPosition
from alpha.bot.gate import Deny
from alpha.bot.progress import Progress
from alpha.bot.result import ZERO
from alpha.domain.ids import Symbol
from alpha.domain.instrument import Instrument
from alpha.domain.position import FLAT
from backtest.port import UID
from backtest.replay import Replay


class Surroundings:
    """Nothing is ever stale here. What remains for the gate: orders and fills under way, and recordings with holes."""

    def __init__(
        self,
        *,
        replay: Replay,
        progress: Progress,
        instruments: Mapping[Symbol, Instrument],
        capital: Decimal | None,
    ) -> None:
        """`capital` is what the bot sizes by instead of the account's equity."""
        self._replay = replay
        self._progress = progress
        self._instruments = instruments
        self._capital = capital
        self._held = {symbol: HeldPosition(symbol=symbol, position=FLAT) for symbol in instruments}
        self._marked_at = dict.fromkeys(instruments, -1)
        self._equity, self._equity_at = ZERO, -1
        self.not_tradable: dict[Symbol, str] = {}
        """Symbols whose indicators have not seen enough bars in a row, and why."""

    def told(self, held: HeldPosition) -> None:
        """What is held now; its mark price is that of the moment it was told."""
        self._held[held.symbol] = held
        self._marked_at[held.symbol] = -1

    # What the broker asks.

    def instrument(self, symbol: Symbol) -> Instrument:
        return self._instruments[symbol]

    def position(self, symbol: Symbol) -> HeldPosition | None:
        held = self._held.get(symbol)
        if held is None or not held.position.quantity:
            return held
        index = self._replay.index
        if self._marked_at[symbol] != index:
            held = self._held[symbol] = held.marked(self._replay.mark_price(symbol))
            self._marked_at[symbol] = index
        return held

    def equity(self) -> Decimal | None:
        if self._capital is not None:
            return self._capital
        index = self._replay.index
        if self._equity_at != index:
            # As the exchange shows it: eight decimals. No request moves it, only the next bar does.
            self._equity, self._equity_at = round(self._replay.catch_up().equity(UID), 8), index
        return self._equity

    def mark_price(self, symbol: Symbol) -> Decimal | None:
        return self._replay.mark_price(symbol)

    # What the gate asks.

    def may_open_risk(self) -> Deny | None:
        return None

    def position_problem(self, symbol: Symbol) -> Deny | None:
        by_fills = self._progress.held_in(symbol)
        held = self._held[symbol].position.quantity
        if held == by_fills:
            return None
        return Deny("fills_missing", f"{symbol}: the position is {held}, the fills that arrived make {by_fills}")

    def market_problem(self, symbol: Symbol) -> Deny | None:
        why = self.not_tradable.get(symbol)
        return None if why is None else Deny("warming_up", f"{symbol}: {why}")

    def order_problem(self, symbol: Symbol) -> Deny | None:
        return self._progress.orders.problem(symbol)

    def bot_notional(self) -> Decimal | None:
        total = self._progress.orders.open_entry_notional()
        for symbol, held in self._held.items():
            position = held.position
            if position.quantity:
                total += position.size * (self.mark_price(symbol) or position.entry_price)
        return total

    def entries_since(self, market_time: datetime) -> int:
        return self._progress.entries_since(market_time)
