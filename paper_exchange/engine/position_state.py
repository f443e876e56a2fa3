from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Final

import msgspec

from alpha.domain.ids import Symbol
from alpha.domain.instrument import Instrument
from alpha.domain.side import Side
from paper_exchange.engine.margin import bankruptcy_price
from paper_exchange.engine.money import ZERO, round_amount
from paper_exchange.engine.risk_tiers import RiskTier, RiskTiers

_BREAK_EVEN_FEE: Final = Decimal("0.00055")


class PositionState(msgspec.Struct, frozen=True, gc=False):
    """A position as it was at one moment, also when flat: then side is None and size, entry price and margins are 0.

    Kept are the numbers that everything else follows from; what follows is computed when it is asked for, because most
    snapshots are passed on without anybody looking at more than a few attributes.

    `quantity` is signed. `own_margin` is what an isolated position may lose, None in cross margin. `equity` stands
    behind the position (0 when flat): that of the account in cross margin, its own margin and P&L in isolated;
    `other_maintenance` is what the account's other positions need of it. `initial_rate` and, for each of the risk
    limit `tiers`, `maintenance_rates` are margins per unit of value. `trailing_stop` is the distance, `trailing_level`
    the price at which it would trigger now (None until active). `current_realized_pnl` is that of the present holding
    (or of the last one when flat), fees and funding included; `cumulative_realized_pnl` that of the position since the
    account was opened. `seq` is that of the last execution, -1 before the first. `status` is "Normal", "Liq" or "Adl".
    """

    uid: int
    symbol: Symbol
    position_idx: int
    quantity: Decimal
    entry_price: Decimal
    mark_price: Decimal
    leverage: Decimal
    own_margin: Decimal | None
    equity: Decimal
    other_maintenance: Decimal
    initial_rate: Decimal
    tiers: RiskTiers
    maintenance_rates: tuple[Decimal, ...]
    instrument: Instrument
    taker: Decimal
    current_realized_pnl: Decimal
    cumulative_realized_pnl: Decimal
    take_profit: Decimal | None
    stop_loss: Decimal | None
    trailing_stop: Decimal | None
    active_price: Decimal | None
    trailing_level: Decimal | None
    status: str
    seq: int
    opened_at: datetime | None
    created_at: datetime
    updated_at: datetime

    @property
    def side(self) -> Side | None:
        """The side of the orders that opened it, None when flat."""
        if not self.quantity:
            return None
        return Side.BUY if self.quantity > 0 else Side.SELL

    @property
    def size(self) -> Decimal:
        return abs(self.quantity)

    @property
    def is_isolated(self) -> bool:
        return self.own_margin is not None

    @property
    def value(self) -> Decimal:
        """Size at the entry price."""
        return round_amount(self.size * self.entry_price)

    @property
    def initial_margin(self) -> Decimal:
        """On the mark price in cross margin; what was set aside for the position in isolated."""
        if self.own_margin is not None:
            return self.own_margin
        return round_amount(self.size * self.mark_price * self.initial_rate)

    @property
    def maintenance_margin(self) -> Decimal:
        """On the mark price: what must be left for the position not to be liquidated."""
        return round_amount(self.tiers.maintenance(self.size * self.mark_price, self.maintenance_rates))

    @property
    def tier(self) -> RiskTier:
        """The risk limit tier it is in, the lowest when flat."""
        return self.tiers.of(self.size * self.mark_price)

    @property
    def unrealized_pnl(self) -> Decimal:
        return round_amount((self.mark_price - self.entry_price) * self.quantity)

    @property
    def break_even_price(self) -> Decimal | None:
        """Bybit's formula: entry x quantity less what is realized, over the quantity less the fee of closing it."""
        if not self.quantity:
            return None
        fee_rate = max(self.taker, _BREAK_EVEN_FEE)
        price = (self.entry_price * self.quantity - self.current_realized_pnl) / (self.quantity - self.size * fee_rate)
        return self.instrument.round_price(price)

    @property
    def liq_price(self) -> Decimal | None:
        """The mark price at which it would be liquidated if nothing else moved, on a tick; None when there is none."""
        if not self.quantity:
            return None
        price = self.tiers.liquidation_price(
            self.quantity, self.mark_price, self.equity, self.other_maintenance, self.maintenance_rates
        )
        return self._on_market(price)

    @property
    def bust_price(self) -> Decimal | None:
        """The price at which closing it would leave nothing of what stands behind it, None as for `liq_price`."""
        if not self.quantity:
            return None
        return self._on_market(bankruptcy_price(self.quantity, self.mark_price, self.equity, self.taker))

    @property
    def adl_rank(self) -> int:
        """How near it stands to being deleveraged: 0 flat, 1 (no profit) to 5 by return on its margin."""
        if not self.quantity:
            return 0
        profit = (self.mark_price - self.entry_price) * self.quantity
        if profit <= ZERO:
            return 1
        rate = profit * self.leverage / (self.size * self.entry_price)
        return 2 + sum(rate > step for step in _ADL_STEPS)

    def _on_market(self, price: Decimal | None) -> Decimal | None:
        instrument = self.instrument
        if price is None or not instrument.min_price <= price <= instrument.max_price:
            return None
        return instrument.round_price(price)


_ADL_STEPS: Final = (Decimal("0.25"), Decimal("0.5"), Decimal(1))
"""Ours: Bybit ranks by percentile among all its traders, of which there are not enough here."""
