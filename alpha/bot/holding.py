from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from alpha.bot.fill import BotFill


@dataclass(slots=True)
class Holding:
    """One symbol's position by the bot's fills: since when it is held. Lives in a strategy's state.

    Whether there is a position is decided by what the platform holds, not by this.
    """

    quantity: Decimal = Decimal(0)
    opened_at: datetime | None = None

    def apply(self, fill: BotFill) -> timedelta | None:
        """Take the next fill in; answers how long the position was held when this fill closed it. A fill that turns
        the position over opens the next one."""
        before, held_for = self.quantity, None
        self.quantity += fill.position_change
        ended = before != 0 and self.quantity * before <= 0
        if ended and self.opened_at is not None:
            held_for = fill.at - self.opened_at
        if self.quantity == 0:
            self.opened_at = None
        elif before == 0 or ended:
            self.opened_at = fill.at
        return held_for

    def age(self, now: datetime) -> timedelta:
        """How long it has been held; one that no fill of ours explains counts from when this is first asked."""
        if self.opened_at is None:
            self.opened_at = now
        return now - self.opened_at
