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
    daily_loss_percent: Decimal | None = Field(default=None, gt=0, lt=100)
    """Loss since 00:00 UTC, marked to market, in percent of the equity then, after which nothing is entered that day.
    The weekly one counts from Monday, the monthly one from the first."""
    weekly_loss_percent: Decimal | None = Field(default=None, gt=0, lt=100)
    monthly_loss_percent: Decimal | None = Field(default=None, gt=0, lt=100)
    drawdown_halt_percent: Decimal | None = Field(default=None, gt=0, lt=100)
    """Drawdown from the highest result, after which nothing is entered until a person resumes the bot."""
    max_positions: int | None = Field(default=None, ge=1)
    """Symbols with a position or an entry on its way, at the same time."""
    max_entries_per_hour: int = Field(default=20, ge=1)
    """Entries sent within an hour of market time."""
    max_bar_age_seconds: int = Field(default=120, ge=1)
    """Market time after its end within which a bar may still be traded on."""

    @property
    def loss_percents(self) -> dict[str, Decimal | None]:
        """The loss limits by name, None where there is none."""
        return {
            "daily_loss": self.daily_loss_percent,
            "weekly_loss": self.weekly_loss_percent,
            "monthly_loss": self.monthly_loss_percent,
        }
