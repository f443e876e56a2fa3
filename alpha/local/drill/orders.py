"""What the accounts of a drill trade: a seeded row of market orders that open, add, reduce, close and flip."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

from alpha.config.registry import BotConfig, Registry
from alpha.domain.clock import EPOCH
from alpha.domain.ids import AccountName, BotId, Symbol
from alpha.domain.order_link_id import OrderLinkId
from alpha.domain.reason import Reason
from alpha.domain.side import Side

_SMALLEST = {
    "BTCUSDT": Decimal("0.001"),
    "ETHUSDT": Decimal("0.01"),
    "SOLUSDT": Decimal("0.1"),
    "XRPUSDT": Decimal(10),
}
# More than the first levels of the exchange's book hold: such an order is executed in several fills.
_LARGE = {"BTCUSDT": 7_000, "ETHUSDT": 12_000, "SOLUSDT": 7_000, "XRPUSDT": 4_000}
_SMALL_UNITS = 20
_LARGE_SHARE, _CLOSE_SHARE, _FLIP_SHARE, _UNTAGGED_SHARE = 0.15, 0.25, 0.1, 0.2
_EXITS = (
    Reason.STOP_LOSS,
    Reason.TAKE_PROFIT,
    Reason.TRAILING_STOP,
    Reason.REGIME_EXIT,
    Reason.TIME_EXIT,
    Reason.MA_EXIT,
    Reason.FLATTEN,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DrillOrder:
    """One market order, and whose it is and why as the drill knows it. `order_link_id` may be empty or foreign."""

    account: AccountName
    symbol: Symbol
    side: Side
    quantity: Decimal
    order_link_id: str
    bot: BotId
    reason: Reason

    def to_json(self) -> dict[str, Any]:
        """As the exchange's administration takes it."""
        return {
            "account": self.account,
            "symbol": self.symbol,
            "side": self.side.value,
            "qty": format(self.quantity, "f"),
            "order_link_id": self.order_link_id,
        }


class OrderSource:
    """Makes orders. The same seed and the same calls make the same orders; every order is filled whole."""

    def __init__(self, registry: Registry, seed: int) -> None:
        self._registry = registry
        self._rng = random.Random(f"orders:{seed}")
        self._run = f"drill-{seed}"
        self._bots: Mapping[AccountName | None, list[BotConfig]] = {None: list(registry.bots.values())} | {
            name: list(registry.bots_on(name)) for name in registry.accounts
        }
        self._held: dict[tuple[AccountName, Symbol], Decimal] = {}
        self._made = 0

    def next(self, account: AccountName | None = None) -> DrillOrder:
        """The next order: of this account, or of any."""
        rng = self._rng
        bot = rng.choice(self._bots[account])
        symbol = rng.choice(bot.symbols)
        held = self._held.get((bot.account, symbol), Decimal(0))
        change, opens = self._change(symbol, held)
        self._held[(bot.account, symbol)] = held + change
        reason = Reason.ENTRY if opens else rng.choice(_EXITS)
        self._made += 1
        link_id = str(
            OrderLinkId.for_decision(
                code=bot.code,
                bot=bot.id,
                run=self._run,
                symbol=symbol,
                bar=EPOCH + timedelta(minutes=5 * self._made),
                reason=reason,
            )
        )
        if len(self._bots[bot.account]) == 1 and rng.random() < _UNTAGGED_SHARE:
            # Placed by hand: without an id, or with one that is not ours.
            link_id, reason = rng.choice(("", f"by-hand-{self._made}")), Reason.MANUAL
        return DrillOrder(
            account=bot.account,
            symbol=symbol,
            side=Side.BUY if change > 0 else Side.SELL,
            quantity=abs(change),
            order_link_id=link_id,
            bot=bot.id,
            reason=reason,
        )

    def _change(self, symbol: Symbol, held: Decimal) -> tuple[Decimal, bool]:
        """By how much the next order changes the position, and whether it opens risk."""
        rng, unit = self._rng, _SMALLEST[symbol]
        units = rng.randint(_LARGE[symbol] // 2, _LARGE[symbol]) if rng.random() < _LARGE_SHARE else 0
        size = unit * (units or rng.randint(1, _SMALL_UNITS))
        if held == 0:
            return size * rng.choice((-1, 1)), True
        towards_flat = Decimal(-1).copy_sign(held)
        draw = rng.random()
        if draw < _CLOSE_SHARE:
            return -held, False
        if draw < _CLOSE_SHARE + _FLIP_SHARE:
            return -held + size * towards_flat, False
        too_large = abs(held) > unit * _LARGE[symbol] * 5
        if too_large or draw < _CLOSE_SHARE + _FLIP_SHARE + 0.25:
            return min(size, abs(held)) * towards_flat, False
        return size * -towards_flat, True
