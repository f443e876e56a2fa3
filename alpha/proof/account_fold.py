"""What each fill of an account moved: P&L, fees and funding, folded from the fills alone.

The exchange knows no bots, so neither does this: it folds the account's net position of each symbol and side, and what
comes out has to be what the exchange booked.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal

from alpha.domain.arithmetic import accounting
from alpha.domain.fill import ExecType, Fill
from alpha.domain.ids import Symbol
from alpha.domain.position import ZERO
from alpha.domain.side import Side
from alpha.exchange.parse import LINEAR
from alpha.exchange.settle_coin import settle_coin
from alpha.ledger.fill_rows import RecordedFill
from alpha.ledger.folding import OpeningPosition

_UNIT = Decimal("0.00000001")
"""Bybit books eight decimals of a settle coin."""
Row = tuple[str, Symbol, int]
"""A position row of the account: category, symbol and position index."""


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


class AccountFold:
    """The fills of an account one after the other, however many: what is in memory is its positions. Fold within
    `accounting()`.

    `included` is what the fills that the opening positions include had changed, as `changes_included` tells.
    """

    def __init__(self, openings: Iterable[OpeningPosition] = (), included: Mapping[Row, Decimal] | None = None) -> None:
        self._begun: defaultdict[Row, list[OpeningPosition]] = defaultdict(list)
        for opening in openings:
            self._begun[LINEAR, opening.key.symbol, opening.key.position_idx].append(opening)
        self._included = included or {}
        self._rows: dict[Row, _AccountRow] = {}

    def take(self, recorded: RecordedFill) -> Booking:
        """What the next fill in execution order moved. The fills are all that the ledger has of the account, each
        once."""
        fill = recorded.fill
        if fill.exec_type is ExecType.FUNDING:
            return Booking(fill, settle_coin(fill.category, fill.symbol), ZERO, ZERO, ZERO, ZERO, ZERO, False)
        name = row_of(recorded)
        row = self._rows.get(name)
        if row is None:
            row = self._rows[name] = _AccountRow(self._begun.get(name, ()), self._included.get(name, ZERO))
        return row.take(fill)


class _AccountRow:
    """One position row of the account from its beginning. What an opening position held is followed back through the
    fills that it includes, to the first that the ledger has."""

    __slots__ = ("_entry_price", "_holding", "_openings", "_told")

    def __init__(self, openings: Sequence[OpeningPosition], included: Decimal) -> None:
        quantity = sum((opening.position.quantity for opening in openings), ZERO)
        value = sum((opening.position.quantity * opening.position.entry_price for opening in openings), ZERO)
        self._entry_price = value / quantity if quantity else ZERO
        self._openings = openings
        self._told = not openings
        self._holding = _Holding(quantity - included, self._entry_price)

    def take(self, fill: Fill) -> Booking:
        if not self._told and not _is_included(fill, self._openings):
            self._told = True
            if self._holding.from_before:
                self._holding.entry_price = self._entry_price  # from here on the exchange has told it
        return self._holding.take(fill)


def changes_included(fills: Iterable[RecordedFill], openings: Iterable[OpeningPosition]) -> dict[Row, Decimal]:
    """By how much the fills that opening positions include had changed each position row, in base units and signed."""
    begun: defaultdict[Row, list[OpeningPosition]] = defaultdict(list)
    for opening in openings:
        begun[LINEAR, opening.key.symbol, opening.key.position_idx].append(opening)
    changes: defaultdict[Row, Decimal] = defaultdict(Decimal)
    for recorded in fills:
        row = row_of(recorded)
        if row in begun and _is_included(recorded.fill, begun[row]):
            changes[row] += recorded.fill.position_change
    return dict(changes)


def fold_account(fills: Iterable[RecordedFill], openings: Sequence[OpeningPosition] = ()) -> list[Booking]:
    """Every fill of the account with what it moved, in execution order. The fills are all that the ledger has of the
    account, in any order and each once."""
    in_order = sorted(fills, key=lambda recorded: recorded.fill.execution_order)
    with accounting():
        fold = AccountFold(openings, changes_included(in_order, openings))
        return [fold.take(recorded) for recorded in in_order]


def row_of(recorded: RecordedFill) -> Row:
    return recorded.fill.category, recorded.fill.symbol, recorded.position_idx


def _is_included(fill: Fill, openings: Iterable[OpeningPosition]) -> bool:
    return any(opening.includes(fill) for opening in openings)


def _rounded(amount: Decimal) -> Decimal:
    return amount.quantize(_UNIT, ROUND_HALF_EVEN)
