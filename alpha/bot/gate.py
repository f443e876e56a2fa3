"""The gate every order passes. Exits always pass; an entry passes only when everything is known to be in order."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final, Protocol

from alpha.bot.intent import Intent
from alpha.bot.limits import Limits
from alpha.domain.ids import Symbol


@dataclass(frozen=True, slots=True)
class Allow:
    """The order may be sent."""


@dataclass(frozen=True, slots=True)
class Deny:
    """The order is not sent. `code` is stable, `text` says what is wrong in one sentence."""

    code: str
    text: str


Verdict = Allow | Deny
_ALLOW: Final = Allow()
_HOUR: Final = timedelta(hours=1)


class Circumstances(Protocol):
    """What the gate has to know. A method that answers `Deny` could not establish that things are in order: not knowing
    is a reason to deny like any other."""

    def may_open_risk(self) -> Deny | None:
        """Lease, controls, shutting down: whether this process may open risk at all."""
        ...

    def position_problem(self, symbol: Symbol) -> Deny | None:
        """Why the position of the symbol cannot be relied on (missing, stale, listener not live, drift), or None."""
        ...

    def market_problem(self, symbol: Symbol) -> Deny | None:
        """Why market data cannot be relied on, or None."""
        ...

    def order_problem(self, symbol: Symbol) -> Deny | None:
        """An own order on the symbol that is not settled yet, or None."""
        ...

    def mark_price(self, symbol: Symbol) -> Decimal | None: ...

    def bot_notional(self) -> Decimal | None:
        """Notional of all positions and open entries of the bot in USDT; None when not known."""
        ...

    def equity(self) -> Decimal | None: ...

    def entries_since(self, market_time: datetime) -> int:
        """Entries sent at or after the time."""
        ...


class Remembered(Protocol):
    def problem(self, intent: Intent) -> Deny | None:
        """Which limit an entry would break, or None."""
        ...


class Gate:
    """Checks in a fixed order, so that the first thing that is wrong is the one that is told."""

    def __init__(self, limits: Limits, circumstances: Circumstances, remembered: Remembered | None = None) -> None:
        """`remembered` are the limits that hold beyond one order: losses, drawdown, open positions."""
        self._limits = limits
        self._remembered = remembered
        self._circumstances = circumstances

    def check(self, intent: Intent) -> Verdict:
        if not intent.reason.opens_risk:
            return _ALLOW
        seen = self._circumstances
        symbol = intent.symbol
        return (
            seen.may_open_risk()
            or seen.position_problem(symbol)
            or seen.market_problem(symbol)
            or seen.order_problem(symbol)
            or (self._remembered.problem(intent) if self._remembered is not None else None)
            or self._collar(intent)
            or self._notional(intent)
            or self._rate(intent)
            or _ALLOW
        )

    def _collar(self, intent: Intent) -> Deny | None:
        mark, price = self._circumstances.mark_price(intent.symbol), intent.reference_price
        if mark is None or price is None:
            return Deny("no_mark_price", f"{intent.symbol}: the mark price is not known")
        if price == mark:
            return None
        away = abs(price - mark) / mark * 100
        if away > self._limits.price_collar_percent:
            return Deny(
                "price_collar",
                f"{intent.symbol}: price {price} is {away:.2f} % from mark {mark}, "
                f"more than limits.price_collar_percent {self._limits.price_collar_percent}",
            )
        return None

    def _notional(self, intent: Intent) -> Deny | None:
        notional, held = intent.notional, self._circumstances.bot_notional()
        equity = self._circumstances.equity()
        if notional is None or held is None or equity is None or equity <= 0:
            return Deny("exposure_unknown", "the bot's exposure or equity is not known")
        limits = self._limits
        if notional > limits.max_order_notional_usdt:
            return Deny(
                "order_notional",
                f"{intent.symbol}: order of {notional:.2f} USDT is over limits.max_order_notional_usdt "
                f"{limits.max_order_notional_usdt}",
            )
        total = held + notional
        if total > limits.max_bot_notional_usdt:
            return Deny(
                "bot_notional",
                f"{intent.symbol}: {total:.2f} USDT with this order is over limits.max_bot_notional_usdt "
                f"{limits.max_bot_notional_usdt}",
            )
        if total > equity * limits.max_bot_notional_to_equity:
            return Deny(
                "bot_exposure",
                f"{intent.symbol}: {total:.2f} USDT with this order is over limits.max_bot_notional_to_equity "
                f"{limits.max_bot_notional_to_equity} x {equity:.2f}",
            )
        return None

    def _rate(self, intent: Intent) -> Deny | None:
        sent = self._circumstances.entries_since(intent.decided_at - _HOUR)
        if sent >= self._limits.max_entries_per_hour:
            return Deny(
                "entry_rate",
                f"{intent.symbol}: {sent} entries within an hour reach limits.max_entries_per_hour "
                f"{self._limits.max_entries_per_hour}",
            )
        return None
