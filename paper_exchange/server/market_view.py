"""What may be seen of the market at the present: closed base bars and what they add up to."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from alpha.domain.bar import Bar
from alpha.domain.clock import EPOCH
from alpha.domain.ids import Symbol
from paper_exchange.engine import Refused
from paper_exchange.market.source import BASE_INTERVAL
from paper_exchange.server.exchange import PaperExchange
from paper_exchange.server.render_market import Quote

INTERVALS = {
    "5": timedelta(minutes=5),
    "15": timedelta(minutes=15),
    "30": timedelta(minutes=30),
    "60": timedelta(hours=1),
    "120": timedelta(hours=2),
    "240": timedelta(hours=4),
    "360": timedelta(hours=6),
    "720": timedelta(hours=12),
    "D": timedelta(days=1),
}
_DAY_ROWS = timedelta(days=1) // BASE_INTERVAL
_HOUR_ROWS = timedelta(hours=1) // BASE_INTERVAL
_HALF_SPREAD = Decimal("0.00005")


class MarketView:
    """Klines and quotes of one exchange. The future of a replay is in memory too; nothing of it passes here."""

    def __init__(self, exchange: PaperExchange) -> None:
        self._exchange = exchange

    def klines(
        self, symbol: Symbol, interval: str, first: datetime | None, last: datetime | None, limit: int
    ) -> list[Bar]:
        """Bars with first <= start <= last, newest first, at most `limit`; the newest may still be open.

        Raises Refused for an interval that is not served.
        """
        span = INTERVALS.get(interval)
        if span is None:
            raise Refused(10001, f"params error: interval invalid; here are {', '.join(INTERVALS)}")
        columns = self._exchange.market.columns(symbol)
        now = self._exchange.now
        at = _floor(min(last, now) if last else now, span)
        oldest = columns.start if first is None else max(first, columns.start)
        bars: list[Bar] = []
        while at >= oldest and len(bars) < limit:
            row, end = columns.row_of(at), columns.row_of(min(at + span, now))
            if row < 0:
                break
            if end > row:
                bars.append(columns.aggregate(row, end, start=at, interval=span))
            at -= span
        return bars

    def closed_at(self, symbol: Symbol, end: datetime) -> list[tuple[str, Bar]]:
        """Every bar, of whatever length, that closed at this instant."""
        columns = self._exchange.market.columns(symbol)
        found = []
        for name, span in INTERVALS.items():
            start = end - span
            if _floor(start, span) == start and columns.row_of(start) >= 0:
                rows = columns.row_of(start), columns.row_of(end)
                found.append((name, columns.aggregate(*rows, start=start, interval=span)))
        return found

    def quote(self, symbol: Symbol) -> Quote:
        columns, now = self._exchange.market.columns(symbol), self._exchange.now
        end = columns.row_of(now)
        if end <= 0:
            raise Refused(10016, f"{symbol} has not traded yet")
        first = max(0, end - _DAY_ROWS)
        day = columns.aggregate(first, end, start=columns.time_of(first), interval=(end - first) * BASE_INTERVAL)
        instrument = self._exchange.listings[symbol].instrument
        last = day.close
        away = last * _HALF_SPREAD
        rates = self._exchange.market.funding_rates(symbol, now - timedelta(days=1), now)
        return Quote(
            instrument=instrument,
            at=now,
            last=last,
            mark=columns.price(columns.mark[end - 1]),
            bid=max(instrument.round_price(last - away), instrument.tick_size),
            ask=max(instrument.round_price(last + away), last + instrument.tick_size),
            day=day,
            hour_ago=columns.price(columns.close[max(0, end - 1 - _HOUR_ROWS)]),
            funding_rate=rates[-1].rate if rates else Decimal("0.0001"),
        )


def _floor(time: datetime, span: timedelta) -> datetime:
    return EPOCH.astimezone(UTC) + (time - EPOCH) // span * span
