"""How values look inside Redis: money as plain strings, times as milliseconds, an empty string for nothing."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation

from alpha.domain.clock import from_ms, to_ms
from alpha.live.connection import LiveStateError


def now() -> datetime:
    """The wall clock, with which freshness is judged."""
    return datetime.now(UTC)


def money(value: Decimal | None) -> str:
    return "" if value is None else format(value, "f")


def parse_money(text: str | None) -> Decimal | None:
    """Raises LiveStateError for what is no number, as the other readers here do."""
    if not text:
        return None
    try:
        number = Decimal(text)
    except InvalidOperation as error:
        raise _not_ours(text) from error
    if not number.is_finite():
        raise _not_ours(text)
    return number


def ms(time: datetime | None) -> str:
    return "" if time is None else str(to_ms(time))


def parse_ms(text: str | None) -> datetime | None:
    try:
        return from_ms(int(text)) if text else None
    except (ValueError, OverflowError) as error:
        raise _not_ours(text) from error


def parse_count(text: str | None) -> int:
    """A whole number; 0 for nothing."""
    try:
        return int(text or 0)
    except ValueError as error:
        raise _not_ours(text) from error


def _not_ours(text: str | None) -> LiveStateError:
    return LiveStateError(f"{text!r} in Redis is not what is written there; delete its key: it is rebuilt")
