"""What each fill of an account moved: P&L, fees and funding, folded from the fills alone.

The exchange knows no bots, so neither does this: it folds the account's net position of each symbol and side, and what
comes out has to be what the exchange booked.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal

from alpha.domain.fill import ExecType, Fill
from alpha.domain.ids import Symbol
from alpha.domain.position import ZERO
from alpha.domain.side import Side
from alpha.exchange.settle_coin import settle_coin
from alpha.ledger.fill_rows import RecordedFill
from alpha.ledger.folding import OpeningPosition

_UNIT = Decimal("0.00000001")
"""Bybit books eight decimals of a settle coin."""
_LINEAR = "linear"
_Row = tuple[str, Symbol, int]


@dataclass(frozen=True, slots=True)
class Booking:
    """What one fill moved, in the settle coin.

    `pnl` is price only, of the `closed` part, which had been entered at `entry_price` for fees of `open_fee`;
    `close_fee` is the closing part's share of the fill's own fee. `from_before` says that a part of what was closed
    is older than the ledger: what it had cost, in price and in fees, nobody here knows for sure.
    """

    fill: Fill
    coin: str
    pnl: Decimal
    closed: Decimal
    entry_price: Decimal
    open_fee: Decimal
    close_fee: Decimal
    from_before: bool

    @property
    def is_funding(self) -> bool:
        return self.fill.exec_type is ExecType.FUNDING

    @property
    def fees(self) -> Decimal:
        """As it moved the balance: below 0 paid."""
        return ZERO if self.is_funding else -self.fill.fee

    @property
    def funding(self) -> Decimal:
        """As it moved the balance: below 0 paid."""
        return -self.fill.fee if self.is_funding else ZERO

    @property
    def change(self) -> Decimal:
        return self.pnl - self.fill.fee


class _Holding:
    """One position row of the account: its signed quantity, average entry and the fees that its entry cost."""

    __slots__ = ("entry_price", "from_before", "open_fee", "quantity")

    def __init__(self, quantity: Decimal = ZERO, entry_price: Decimal = ZERO) -> None:
        self.quantity = quantity
        self.entry_price = entry_price if quantity else ZERO
        self.open_fee = ZERO
        self.from_before = bool(quantity)

    def take(self, fill: Fill) -> Booking:
        buys = fill.side is Side.BUY
        held = self.quantity
        closed = min(fill.quantity, abs(held)) if held and (held > 0) is not buys else ZERO
        opened = fill.quantity - closed
        pnl = open_fee = close_fee = ZERO
        entry_price, from_before = self.entry_price, False
        if closed:
            move = fill.price - entry_price
            pnl = _rounded((move if held > 0 else -move) * closed)
            close_fee = _rounded(fill.fee * closed / fill.quantity) if opened else fill.fee
            open_fee = self.open_fee if closed == abs(held) else _rounded(self.open_fee * closed / abs(held))
            from_before = self.from_before
            self.open_fee -= open_fee
            self.quantity += closed if buys else -closed
            if not self.quantity:
                self.entry_price, self.from_before = ZERO, False
        if opened:
            size = abs(self.quantity)
            self.entry_price = (self.entry_price * size + fill.price * opened) / (size + opened) if size else fill.price
            self.open_fee += fill.fee - close_fee
            self.quantity += opened if buys else -opened
        return Booking(
            fill,
            settle_coin(fill.category, fill.symbol),
            pnl,
            closed,
            entry_price if closed else ZERO,
            open_fee,
            close_fee,
            from_before,
        )


def fold_account(fills: Iterable[RecordedFill], openings: Sequence[OpeningPosition] = ()) -> list[Booking]:
    """Every fill of the account with what it moved, in execution order.

    The fills are all that the ledger has of the account, in any order and each once. What an opening position held is
    followed back through the fills that it includes, to the first that the ledger has.
    """
    rows: defaultdict[_Row, list[Fill]] = defaultdict(list)
    booked = []
    for recorded in fills:
        fill = recorded.fill
        if fill.exec_type is ExecType.FUNDING:
            coin = settle_coin(fill.category, fill.symbol)
            booked.append(Booking(fill, coin, ZERO, ZERO, ZERO, ZERO, ZERO, False))
        else:
            rows[fill.category, fill.symbol, recorded.position_idx].append(fill)
    begun: defaultdict[_Row, list[OpeningPosition]] = defaultdict(list)
    for opening in openings:
        begun[_LINEAR, opening.key.symbol, opening.key.position_idx].append(opening)
    for row, of_row in rows.items():
        of_row.sort(key=lambda fill: fill.execution_order)
        booked += _fold_row(of_row, begun[row])
    return sorted(booked, key=lambda booking: booking.fill.execution_order)


def _fold_row(fills: Sequence[Fill], openings: Sequence[OpeningPosition]) -> Iterator[Booking]:
    quantity = sum((opening.position.quantity for opening in openings), ZERO)
    value = sum((opening.position.quantity * opening.position.entry_price for opening in openings), ZERO)
    entry_price = value / quantity if quantity else ZERO
    included = sum(1 for fill in fills if any(opening.includes(fill) for opening in openings))
    before = quantity - sum((fill.position_change for fill in fills[:included]), ZERO)
    holding = _Holding(before, entry_price)
    for number, fill in enumerate(fills):
        if number == included and holding.from_before:
            holding.entry_price = entry_price  # from here on the exchange has told it
        yield holding.take(fill)


def _rounded(amount: Decimal) -> Decimal:
    return amount.quantize(_UNIT, ROUND_HALF_EVEN)
