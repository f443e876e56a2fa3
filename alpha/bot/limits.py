from __future__ import annotations

from decimal import Decimal

from pydantic import BaseModel, ConfigDict, Field


class Limits(BaseModel):
    """What one bot may do at most; `params.limits` of the bot in bots.yaml changes them. They bind entries only.

    The absolute limits are small enough that a wrong equity or a wrong size cannot hurt much before somebody decides
    that this bot may do more.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    max_order_notional_usdt: Decimal = Field(default=Decimal(10_000), gt=0)
    """Of one entry order."""
    max_bot_notional_usdt: Decimal = Field(default=Decimal(30_000), gt=0)
    """Of all positions and open entries of the bot together, the new order included."""
    max_bot_notional_to_equity: Decimal = Field(default=Decimal("2.5"), gt=0)
    """The same, as a multiple of the bot's equity."""
    price_collar_percent: Decimal = Field(default=Decimal(2), gt=0, lt=100)
    """How far the expected price of an entry may be from the mark price."""
    max_entries_per_hour: int = Field(default=20, ge=1)
    """Entries sent within an hour of market time."""
    max_bar_age_seconds: int = Field(default=120, ge=1)
    """Market time after its end within which a bar may still be traded on."""
