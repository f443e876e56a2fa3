from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from alpha.domain.ids import Symbol
from paper_exchange.engine import OrderBook
from paper_exchange.engine.liquidity import Level
from paper_exchange.market.funding_times import next_funding
from paper_exchange.market.instruments import Listing
from paper_exchange.market.source import MarketSource

_DAY, _HOUR = timedelta(days=1), timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticker:
    """A symbol at a moment. Prices in the quote currency, volume and open interest in base units."""

    symbol: Symbol
    last: Decimal
    before_last: Decimal
    mark: Decimal
    index: Decimal
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


def ticker(
    source: MarketSource,
    listing: Listing,
    now: datetime,
    *,
    book: OrderBook,
    mark: Decimal | None = None,
    index: Decimal | None = None,
) -> Ticker:
    """The ticker at `now`, the end of a step. `mark` and `index` default to the mark price of the last row.

    The day is that of the closed rows, with what has happened since. The funding rate is the last one paid: the next is
    not known before its time. Open interest is not modelled; a tenth of the day's volume stands in.
    """
    instrument = listing.instrument
    columns = source.columns(instrument.symbol)
    present = columns.row_of(now)
    day = columns.aggregate(max(0, present - _DAY // columns.interval), present, start=now - _DAY, interval=_DAY)
    forming = source.forming(instrument.symbol)
    closed = columns.price(columns.close[present - 1])
    last = closed if forming is None else columns.price(forming.close)
    high, low, volume = day.high, day.low, day.volume
    if forming is not None:
        high, low = max(high, columns.price(forming.high)), min(low, columns.price(forming.low))
        volume += forming.volume * columns.quantity_step
    interval = timedelta(minutes=instrument.funding_interval_minutes)
    rates = source.funding_rates(instrument.symbol, now - interval, now)
    standing = Level(last, Decimal(0))
    bid, ask = (levels[0] if levels else standing for levels in (book.bids, book.asks))
    mark = columns.price(columns.mark[present - 1]) if mark is None else mark
    return Ticker(
        symbol=instrument.symbol,
        last=last,
        before_last=columns.price(columns.close[max(0, present - 2)]) if forming is None else closed,
        mark=mark,
        index=mark if index is None else index,
        previous_24h=day.open,
        previous_1h=columns.price(columns.open[max(0, present - _HOUR // columns.interval)]),
        high_24h=high,
        low_24h=low,
        volume_24h=volume,
        turnover_24h=day.turnover,
        open_interest=instrument.round_quantity(volume / 10),
        bid=bid.price,
        bid_size=bid.quantity,
        ask=ask.price,
        ask_size=ask.quantity,
        funding_rate=rates[-1].rate if rates else Decimal(0),
        next_funding=next_funding(now, interval),
    )
