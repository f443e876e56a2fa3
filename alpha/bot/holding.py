from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from pydantic import GetCoreSchemaHandler

from alpha.bot.broker import HeldPosition
from alpha.bot.fill import BotFill
from alpha.bot.kept_state import CoreSchema, kept


@dataclass(slots=True)
class Holding:
    """One symbol's position by the bot's fills: since when it is held. Lives in a strategy's state.

    Whether there is a position is decided by what the platform holds, not by this. Show it that (`see`) at every bar:
    a position that no fill of ours opened or closed then leaves nothing behind. With a `quantity` of 0, `opened_at` is
    that of a position whose last fill is still on its way.
    """

    quantity: Decimal = Decimal(0)
    opened_at: datetime | None = None

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        return kept(cls, handler, quantity=Decimal, opened_at=datetime | None)

    def apply(self, fill: BotFill) -> timedelta | None:
        """Take the next fill in; answers how long the position was held when this fill closed it. A fill that turns
        the position over opens the next one; one that is no entry opens none out of nothing."""
        before, held_for = self.quantity, None
        if fill.position_change == 0:
            return None
        closes_unknown = before == 0 and not fill.reason.opens_risk
        if not closes_unknown:
            self.quantity += fill.position_change
        ended = closes_unknown or (before != 0 and self.quantity * before <= 0)
        if ended and self.opened_at is not None:
            held_for = fill.at - self.opened_at
        if self.quantity == 0:
            self.opened_at = None
        elif before == 0 or ended:
            self.opened_at = fill.at
        return held_for

    def see(self, held: HeldPosition, now: datetime) -> None:
        """Take over what the platform holds. What no fill explains counts as held from now on."""
        quantity = held.position.quantity
        if quantity and quantity * self.quantity <= 0:
            self.opened_at = now
        self.quantity = quantity

    def age(self, now: datetime) -> timedelta:
        """How long it has been held; one that no fill of ours explains counts from when this is first asked."""
        if self.opened_at is None:
            self.opened_at = now
        return now - self.opened_at
