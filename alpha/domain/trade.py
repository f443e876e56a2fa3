from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from alpha.domain.ids import AccountName, BotId, ExecId, Symbol
from alpha.domain.quick_init import quick_init
from alpha.domain.reason import Reason
from alpha.domain.side import Direction


@dataclass(frozen=True, slots=True, kw_only=True)
class BookKey:
    """What one TradeBook accounts for. `position_idx`: 0 one-way; in hedge mode 1 the long and 2 the short side."""

    bot: BotId
    account: AccountName
    symbol: Symbol
    position_idx: int = 0


@quick_init
@dataclass(frozen=True, slots=True)
class Trade:
    """A round trip: flat, position, flat. All amounts in the quote currency.

    `gross_pnl` is price times quantity only; `fees` > 0 were paid; `funding` > 0 was received;
    `net_pnl = gross_pnl - fees + funding`. `quantity` is everything that was entered (equal to everything exited).
    The first fill names the trade: the same fills always make the same trade.
    """

    key: BookKey
    first_exec_id: ExecId
    last_exec_id: ExecId
    direction: Direction
    opened_at: datetime
    closed_at: datetime
    quantity: Decimal
    entry_price: Decimal
    exit_price: Decimal
    gross_pnl: Decimal
    fees: Decimal
    funding: Decimal
    fill_count: int
    entry_reason: Reason
    exit_reason: Reason

    @property
    def net_pnl(self) -> Decimal:
        return self.gross_pnl - self.fees + self.funding
