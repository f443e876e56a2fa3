from __future__ import annotations

from datetime import datetime
from decimal import Decimal

import msgspec

from paper_exchange.engine.money import ZERO


class Wallet(msgspec.Struct, frozen=True, gc=False):
    """The money of an account in its settle coin at one moment.

    `position_margin` is on the mark price in cross margin, what was set aside for the positions in isolated.
    """

    uid: int
    opening_balance: Decimal
    balance: Decimal
    unrealized_pnl: Decimal
    position_margin: Decimal
    order_margin: Decimal
    maintenance_margin: Decimal
    is_isolated: bool
    updated_at: datetime

    @property
    def equity(self) -> Decimal:
        return self.balance + self.unrealized_pnl

    @property
    def initial_margin(self) -> Decimal:
        return self.position_margin + self.order_margin

    @property
    def available(self) -> Decimal:
        """What new orders may use, never below 0: in cross margin profits count, in isolated they do not."""
        standing = self.balance if self.is_isolated else self.equity
        return max(standing - self.initial_margin, ZERO)

    @property
    def borrowed(self) -> Decimal:
        """What realized losses have taken beyond the balance, carried by profits that are not realized yet."""
        return max(-self.balance, ZERO)

    @property
    def cumulative_realized_pnl(self) -> Decimal:
        return self.balance - self.opening_balance
