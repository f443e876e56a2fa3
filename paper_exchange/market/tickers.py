from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from alpha.domain.ids import Symbol
from paper_exchange.market.funding_times import next_funding
from paper_exchange.market.instruments import Listing
from paper_exchange.market.source import MarketSource

_ROWS_OF_A_DAY = 288
_ROWS_OF_AN_HOUR = 12
_HALF_SPREAD = Decimal("0.00005")
_TOUCH_SHARE = Decimal("0.005")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticker:
    """A symbol at a moment. Prices in the quote currency, volume and open interest in base units."""

    symbol: Symbol
    last: Decimal
    before_last: Decimal
    mark: Decimal
    previous_24h: Decimal
    previous_1h: Decimal
    high_24h: Decimal
    low_24h: Decimal
    volume_24h: Decimal
    turnover_24h: Decimal
    open_interest: Decimal
    bid: Decimal
    bid_size: Decimal
    ask: Decimal
    ask_size: Decimal
    funding_rate: Decimal
    next_funding: datetime


def ticker(source: MarketSource, listing: Listing, now: datetime) -> Ticker:
    """The ticker at `now`, which must be the end of a base bar.

    The funding rate is the last one paid: the next is not known before its time. Open interest is not modelled; a
    tenth of the day's volume stands in.
    """
    instrument = listing.instrument
    columns = source.columns(instrument.symbol)
    present = columns.row_of(now)
    day = columns.aggregate(
        max(0, present - _ROWS_OF_A_DAY), present, start=now - timedelta(days=1), interval=timedelta(days=1)
    )
    last = columns.price(columns.close[present - 1])
    interval = timedelta(minutes=instrument.funding_interval_minutes)
    rates = source.funding_rates(instrument.symbol, now - interval, now)
    touch = max(instrument.round_quantity(day.volume / _ROWS_OF_A_DAY * _TOUCH_SHARE), instrument.min_quantity)
    tick = instrument.tick_size
    return Ticker(
        symbol=instrument.symbol,
        last=last,
        before_last=columns.price(columns.close[max(0, present - 2)]),
        mark=columns.price(columns.mark[present - 1]),
        previous_24h=day.open,
        previous_1h=columns.price(columns.open[max(0, present - _ROWS_OF_AN_HOUR)]),
        high_24h=day.high,
        low_24h=day.low,
        volume_24h=day.volume,
        turnover_24h=day.turnover,
        open_interest=instrument.round_quantity(day.volume / 10),
        bid=(last * (1 - _HALF_SPREAD) / tick).to_integral_value(ROUND_FLOOR) * tick,
        bid_size=touch,
        ask=(last * (1 + _HALF_SPREAD) / tick).to_integral_value(ROUND_CEILING) * tick,
        ask_size=touch,
        funding_rate=rates[-1].rate if rates else Decimal(0),
        next_funding=next_funding(now, interval),
    )
