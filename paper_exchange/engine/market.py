from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from alpha.domain.errors import InvariantViolated
from alpha.domain.instrument import Instrument
from paper_exchange.engine.money import ZERO
from paper_exchange.engine.requests import FeeRates
from paper_exchange.engine.risk_tiers import RiskTiers

if TYPE_CHECKING:
    from paper_exchange.engine.account import Account
    from paper_exchange.engine.holding import Holding
    from paper_exchange.engine.liquidity import Depth
    from paper_exchange.engine.working_order import WorkingOrder


class Tape:
    """How often any price has moved: what was computed with prices is good for as long as this stands still."""

    __slots__ = ("moves",)

    def __init__(self) -> None:
        self.moves = 0


class Market:
    """One symbol: its rules, its prices now, and who has something at stake in it.

    `resting`, `triggers` (orders that wait for a price to become active) and `holders` are what the path of a bar can
    touch; while they are empty a bar costs nothing. Mark and index price follow the last price at the basis they had at
    the close of the bar before. `moves` counts the changes of its prices; `depth` is the book as it was last looked at.
    """

    __slots__ = (
        "_seq",
        "_tape",
        "basis",
        "depth",
        "fees",
        "has_price",
        "holders",
        "index_basis",
        "index_price",
        "instrument",
        "last_price",
        "mark_price",
        "moves",
        "resting",
        "symbol",
        "tiers",
        "triggers",
        "volume",
    )

    def __init__(
        self, instrument: Instrument, fees: FeeRates, tape: Tape | None = None, tiers: RiskTiers | None = None
    ) -> None:
        """Without `tiers` there is one for positions of any size."""
        self.instrument = instrument
        self.symbol = instrument.symbol
        self.fees = fees
        self.tiers = RiskTiers.single(instrument.max_leverage) if tiers is None else tiers
        self.has_price = False
        self.last_price: Decimal = ZERO
        self.mark_price: Decimal = ZERO
        self.basis: Decimal = ZERO
        self.index_price: Decimal = ZERO
        self.index_basis: Decimal = ZERO
        self.volume: Decimal = ZERO
        self.resting: dict[str, tuple[Account, WorkingOrder]] = {}
        self.triggers: dict[str, tuple[Account, WorkingOrder]] = {}
        self.holders: dict[tuple[int, int], tuple[Account, Holding]] = {}
        self.depth: Depth | None = None
        self.moves = 0
        self._tape = Tape() if tape is None else tape
        self._seq = 0

    @property
    def is_touched(self) -> bool:
        """Whether a move of the price can do anything to anybody."""
        return bool(self.resting or self.holders or self.triggers)

    @property
    def seq(self) -> int:
        """The last one that was given to a match, 0 before the first."""
        return self._seq

    def next_seq(self) -> int:
        self._seq += 1
        return self._seq

    def move(self, price: Decimal) -> None:
        """The last price is now `price`; the mark follows at the basis of the bar before."""
        self.has_price = True
        self.moves += 1
        self._tape.moves += 1
        self.last_price = price
        tick = self.instrument.tick_size
        self.mark_price = max(price + self.basis, tick) if self.basis else price
        self.index_price = max(price + self.index_basis, tick) if self.index_basis else price

    def close_bar(self, price: Decimal, mark_price: Decimal, index_price: Decimal | None = None) -> None:
        """The prices at the end of a bar. In want of an index price the mark price is taken for it."""
        index_price = mark_price if index_price is None else index_price
        if price <= ZERO or mark_price <= ZERO or index_price <= ZERO:
            raise InvariantViolated(
                f"{self.instrument.symbol}: close {price}, mark {mark_price} and index {index_price} must be above 0"
            )
        self.has_price = True
        self.moves += 1
        self._tape.moves += 1
        self.last_price = price
        self.mark_price = mark_price
        self.index_price = index_price
        # Mostly they are one and the same, and then there is nothing to reckon.
        self.basis = ZERO if mark_price is price else mark_price - price
        self.index_basis = ZERO if index_price is price else index_price - price

    def fee_rate(self, *, is_maker: bool) -> Decimal:
        return self.fees.maker if is_maker else self.fees.taker
