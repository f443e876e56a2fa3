"""Stops of an open position at the exchange: set, verified, set again, and without any the position is closed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from pydantic import GetCoreSchemaHandler

from alpha.bot.broker import Broker, HeldPosition
from alpha.bot.kept_state import CoreSchema, kept
from alpha.domain.reason import Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class StopPlan:
    """Where the stops of one position belong, as prices; `trailing_distance` in price units, trailing from
    `trailing_from` on (None: at once). What is None is not wanted."""

    stop_loss: Decimal
    take_profit: Decimal | None = None
    trailing_distance: Decimal | None = None
    trailing_from: Decimal | None = None


@dataclass(slots=True)
class Protection:
    """Keeps the stops of one symbol's position; lives in a strategy's state. An entry carries stop and target, so this
    adds the trailing stop and mends what is missing, at every hook until the exchange shows it.

    `trailing_for` is the entry price for which the trailing stop was set and verified, `bare_since` since when
    (market time) neither a stop nor a trailing stop that is active was seen at the exchange, `closing_at` when it was
    last closed for that. It is closed once at one time, in whichever hook that comes first.
    """

    trailing_for: Decimal | None = None
    bare_since: datetime | None = None
    closing_at: datetime | None = None

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        return kept(
            cls,
            handler,
            trailing_for=Decimal | None,
            bare_since=datetime | None,
            closing_at=datetime | None,
        )

    def is_seen(self, held: HeldPosition) -> bool:
        """Whether the exchange shows stop and trailing stop as they were set: there is nothing to do."""
        return (
            held.stop_loss is not None
            and held.trailing_stop is not None
            and self.bare_since is None
            and self.trailing_for == held.entry_price
        )

    def keep(self, broker: Broker, held: HeldPosition, plan: StopPlan, *, bare_limit: timedelta) -> bool:
        """Set what the exchange does not show. A position that stays without any stop for longer than `bare_limit` is
        closed; both are told. Answers whether the position is protected."""
        is_active = self._trail(broker, held, plan)
        if held.take_profit is None and plan.take_profit is not None:
            broker.take_profit(held.symbol, plan.take_profit)
        if held.stop_loss is not None:
            self.bare_since = None
            return True
        has_stop = broker.stop_loss(held.symbol, plan.stop_loss).accepted
        if is_active:
            self.bare_since = None
        elif self.bare_since is None:
            self.bare_since = broker.now
            done = "it has one now" if has_stop else "setting one failed and is tried again"
            text = f"{held.symbol}: the position had no stop at the exchange; {done}"
            broker.alert("position_unprotected", text, symbol=held.symbol)
        elif not has_stop and broker.now - self.bare_since > bare_limit and broker.now != self.closing_at:
            seconds = int((broker.now - self.bare_since).total_seconds())
            text = f"{held.symbol}: no stop could be set for {seconds} s, the position is being closed"
            broker.alert("unprotected_closed", text, symbol=held.symbol)
            if broker.close(held.symbol, Reason.FLATTEN).accepted:
                self.closing_at = broker.now
        return has_stop or is_active

    def _trail(self, broker: Broker, held: HeldPosition, plan: StopPlan) -> bool:
        """Set the trailing stop. Answers whether one protects already: one that waits for its start does not."""
        if plan.trailing_distance is None:
            return False
        starts_at, mark = plan.trailing_from, held.mark_price
        if starts_at is not None and mark is not None and (mark - starts_at) * held.quantity >= 0:
            starts_at = None  # passed already: the exchange refuses a start that lies behind the price
        is_set = held.trailing_stop is not None and self.trailing_for == held.entry_price
        if not is_set:
            is_set = broker.trailing_stop(held.symbol, plan.trailing_distance, activation_price=starts_at).accepted
            if is_set:
                self.trailing_for = held.entry_price
        return is_set and starts_at is None
