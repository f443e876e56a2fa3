"""Times as people type them."""

from __future__ import annotations

from datetime import UTC, datetime

from alpha.config.errors import ConfigError


def market_time(option: str, text: str | None) -> datetime | None:
    """An ISO date or time; UTC unless it says otherwise. Raises ConfigError naming the option."""
    if text is None:
        return None
    try:
        time = datetime.fromisoformat(text)
        return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except (ValueError, OverflowError):
        raise ConfigError(f"{option} {text!r} is no time: write it as 2025-01-31 or 2025-01-31T12:00 (UTC)") from None
