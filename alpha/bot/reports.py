"""Reports at fixed times of the day, on the market's clock."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, time, timedelta

from alpha.bot.broker import Broker
from alpha.domain.ids import Symbol


def next_report(times: Sequence[time], now: datetime) -> datetime | None:
    """The first instant of these times of the day (UTC) after `now`; None without times. A strategy keeps it in its
    state, so that what an outage left out is reported once, afterwards."""
    days = (now.date(), now.date() + timedelta(days=1))
    instants = [datetime.combine(day, each, tzinfo=UTC) for day in days for each in times]
    return min((instant for instant in instants if instant > now), default=None)


def standing(broker: Broker, symbols: Iterable[Symbol]) -> str:
    """Equity, results and open positions in one line for a person."""
    equity, made = broker.equity(), broker.performance()
    parts = ["equity not known" if equity is None else f"equity {equity:.2f} USDT"]
    if made is not None:
        parts.append(f"today {made.today_percent:+.2f} %, week {made.week_percent:+.2f} %")
        parts.append(f"drawdown {made.drawdown_percent:.2f} %")
    held = [position for symbol in symbols if (position := broker.position(symbol)) is not None]
    positions = [
        f"{each.symbol} {each.quantity.normalize():f} from {each.entry_price:f}" for each in held if each.quantity
    ]
    parts.append("; ".join(positions) or "no position")
    return ", ".join(parts)
