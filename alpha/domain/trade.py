from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final, final

from alpha.domain.ids import AccountName, BotId, ExecId, Symbol
from alpha.domain.reason import Reason
from alpha.domain.side import Direction


# It compares and hashes itself: what dataclass makes for that is never compiled, and keys are looked up all the time.
@final
@dataclass(init=False, eq=False, slots=True)
class BookKey:
    """What one TradeBook accounts for. `position_idx`: 0 one-way; in hedge mode 1 the long and 2 the short side."""

    bot: Final[BotId]
    account: Final[AccountName]
    symbol: Final[Symbol]
    position_idx: Final[int]

    def __init__(
        self,
        *,
        bot: BotId,
        account: AccountName,
        symbol: Symbol,
        position_idx: int = 0,
    ) -> None:
        self.bot = bot
        self.account = account
        self.symbol = symbol
        self.position_idx = position_idx

    def __eq__(self, other: object) -> bool:
        return isinstance(other, BookKey) and (
            self.symbol == other.symbol
            and self.bot == other.bot
            and self.account == other.account
            and self.position_idx == other.position_idx
        )

    def __hash__(self) -> int:
        return hash((self.bot, self.account, self.symbol, self.position_idx))


@final
@dataclass(init=False, unsafe_hash=True, slots=True)
class Trade:
    """A round trip: flat, position, flat. All amounts in the quote currency.

    `gross_pnl` is price times quantity only; `fees` > 0 were paid; `funding` > 0 was received;
    `net_pnl = gross_pnl - fees + funding`. `quantity` is everything that was entered (equal to everything exited).
    The first fill names the trade: the same fills always make the same trade.
    """

    key: Final[BookKey]
    first_exec_id: Final[ExecId]
    last_exec_id: Final[ExecId]
    direction: Final[Direction]
    opened_at: Final[datetime]
    closed_at: Final[datetime]
    quantity: Final[Decimal]
    entry_price: Final[Decimal]
    exit_price: Final[Decimal]
    gross_pnl: Final[Decimal]
    fees: Final[Decimal]
    funding: Final[Decimal]
    fill_count: Final[int]
    entry_reason: Final[Reason]
    exit_reason: Final[Reason]

    def __init__(
        self,
        key: BookKey,
        first_exec_id: ExecId,
        last_exec_id: ExecId,
        direction: Direction,
        opened_at: datetime,
        closed_at: datetime,
        quantity: Decimal,
        entry_price: Decimal,
        exit_price: Decimal,
        gross_pnl: Decimal,
        fees: Decimal,
        funding: Decimal,
        fill_count: int,
        entry_reason: Reason,
        exit_reason: Reason,
    ) -> None:
        self.key = key
        self.first_exec_id = first_exec_id
        self.last_exec_id = last_exec_id
        self.direction = direction
        self.opened_at = opened_at
        self.closed_at = closed_at
        self.quantity = quantity
        self.entry_price = entry_price
        self.exit_price = exit_price
        self.gross_pnl = gross_pnl
        self.fees = fees
        self.funding = funding
        self.fill_count = fill_count
        self.entry_reason = entry_reason
        self.exit_reason = exit_reason

    @property
    def net_pnl(self) -> Decimal:
        return self.gross_pnl - self.fees + self.funding
