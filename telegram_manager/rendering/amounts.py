"""Numbers and times as people read them: with unit and sign, and no more digits than mean something."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal

from alpha.ledger.recent import FillLine

NOT_KNOWN = "?"
"""What stands where something is not known, which is not the same as nothing."""
NONE = "-"
_CENT = Decimal("0.01")
_FOUR_DIGITS = _CENT / 100


def usdt(amount: Decimal | None) -> str:
    """`+1,234.50 USDT`: a result, with its sign."""
    return NOT_KNOWN if amount is None else f"{signed(amount)} USDT"


def signed(amount: Decimal | None) -> str:
    """`+1,234.50`; `0.00` without a sign. What is less than half a cent keeps two more digits: `-0.0029`."""
    if amount is None:
        return NOT_KNOWN
    return _rounded(amount, _CENT, _FOUR_DIGITS)


def parts(*amounts: Decimal) -> tuple[str, ...]:
    """Results of which one is the sum of the others, so that they add up as they are read: all with four digits where
    each is less than one unit (`-0.2141`), else as `signed`."""
    if all(abs(amount) < 1 for amount in amounts):
        return tuple(_rounded(amount, _FOUR_DIGITS) for amount in amounts)
    return tuple(signed(amount) for amount in amounts)


def fee(amount: Decimal) -> str:
    """In whatever coin: four digits behind the point, and all of what is less than a hundredth: `0.0488`,
    `0.00000012`."""
    return f"{amount:,.4f}" if abs(amount) >= _CENT else quantity(amount)


def received(amount: Decimal) -> str:
    """The same of what may be paid or received: `+0.00003`."""
    return f"{'+' if amount > 0 else ''}{fee(amount)}"


def held(amount: Decimal | None) -> str:
    """`1,234.50 USDT`: what there is."""
    return NOT_KNOWN if amount is None else f"{amount:,.2f} USDT"


def quantity(amount: Decimal) -> str:
    """All its digits, without zeros at the end: `0.012`."""
    text = f"{amount:,f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def position(amount: Decimal) -> str:
    """`+0.012`: long above 0, short below."""
    return f"{'+' if amount > 0 else ''}{quantity(amount)}"


def price(amount: Decimal | None) -> str:
    """At least two digits behind the point, and more for what is worth little: `64,012.50`, `0.4321`."""
    if amount is None:
        return NONE
    digits = 2 if abs(amount) >= 100 else 4 if abs(amount) >= Decimal("0.1") else 8
    text = f"{amount:,.{digits}f}"
    whole, _, behind = text.partition(".")
    return f"{whole}.{behind.rstrip('0'):<02}" if digits > 2 else text


def percent(amount: Decimal | float | None) -> str:
    return NONE if amount is None else f"{amount:.1f} %"


def fraction_as_percent(amount: Decimal) -> str:
    """`+0.42 %` of 0.0042."""
    return f"{amount * 100:+.2f} %"


def ratio(amount: Decimal | None) -> str:
    return NONE if amount is None else f"{amount:.2f}"


def count(number: int, one: str, several: str = "") -> str:
    """`1 fill`, `1,200 fills`."""
    return f"{number:,} {one if number == 1 else several or one + 's'}"


def duration(time: timedelta | None) -> str:
    """The two largest units: `3 d 4 h`, `12 min`, `0.4 s`."""
    if time is None:
        return NOT_KNOWN
    seconds = time.total_seconds()
    if seconds < 10:
        return f"{max(seconds, 0):.1f} s"
    whole = int(seconds)
    days, hours, minutes = whole // 86_400, whole // 3_600 % 24, whole // 60 % 60
    if days:
        return f"{days} d {hours} h"
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {whole % 60} s" if minutes else f"{whole} s"


def short_duration(time: timedelta) -> str:
    """The same, with milliseconds below a second: `14 ms`."""
    seconds = time.total_seconds()
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else duration(time)


def moment(at: datetime) -> str:
    """`11-21 10:45`, UTC as every time here."""
    return f"{at:%m-%d %H:%M}"


def exact_moment(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"


def size(number_of_bytes: int) -> str:
    """`1.2 GiB`"""
    amount = float(number_of_bytes)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if amount < 1024:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1024
    return f"{amount:.1f} TiB"


def fill_words(fill: FillLine) -> str:
    """`2026-11-21 10:45 Buy 0.012 BTCUSDT at 64012.5`"""
    return f"{fill.at:%Y-%m-%d %H:%M} {fill.side} {fill.quantity} {fill.symbol} at {fill.price}"


def _rounded(amount: Decimal, *steps: Decimal) -> str:
    """With a sign, to the first step that leaves something of it."""
    for step in steps:
        rounded = amount.quantize(step, ROUND_HALF_EVEN)
        if rounded:
            return f"{rounded:+,f}"
    return "0.00"
