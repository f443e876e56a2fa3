"""How values look inside Redis: money as plain strings, times as milliseconds, an empty string for nothing."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

from alpha.domain.clock import from_ms, to_ms


def now() -> datetime:
    """The wall clock, with which freshness is judged."""
    return datetime.now(UTC)


def money(value: Decimal | None) -> str:
    return "" if value is None else format(value, "f")


def parse_money(text: str | None) -> Decimal | None:
    return Decimal(text) if text else None


def ms(time: datetime | None) -> str:
    return "" if time is None else str(to_ms(time))


def parse_ms(text: str | None) -> datetime | None:
    return from_ms(int(text)) if text else None
