from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

from pydantic import BaseModel

from alpha.bot import BotFill


class Holding(BaseModel):
    """One asset's position by the bot's fills: since when it is held and until when no new one is entered.

    Whether there is a position is decided by what the platform holds, not by this.
    """

    quantity: Decimal = Decimal(0)
    opened_at: datetime | None = None
    cooldown_until: datetime | None = None

    def apply(self, fill: BotFill, *, early_close: timedelta, cooldown: timedelta) -> None:
        """A position that closes within `early_close` of its first fill starts the cooldown."""
        was_flat = self.quantity == 0
        self.quantity += fill.position_change
        if was_flat and self.quantity != 0:
            self.opened_at = fill.at
        elif not was_flat and self.quantity == 0:
            if self.opened_at is not None and fill.at - self.opened_at <= early_close:
                self.cooldown_until = fill.at + cooldown
            self.opened_at = None
