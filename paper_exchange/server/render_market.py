"""Instruments, klines and tickers (https://bybit-exchange.github.io/docs/v5/market/instrument, /kline, /tickers)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from alpha.domain.bar import Bar
from alpha.domain.clock import to_ms
from alpha.domain.instrument import Instrument
from paper_exchange.market.funding_times import next_funding
from paper_exchange.market.instruments import Listing
from paper_exchange.server.render import ms, text


def instrument(listing: Listing) -> dict[str, Any]:
    filters, rules = listing.filters, listing.instrument
    cap = text(listing.funding_rate_cap)
    return {
        "symbol": listing.symbol,
        "symbolId": listing.symbol_id,
        "contractType": "LinearPerpetual",
        "status": "Trading",
        "baseCoin": rules.base,
        "quoteCoin": rules.quote,
        "settleCoin": rules.quote,
        "symbolType": "",
        "launchTime": str(listing.launch_time_ms),
        "deliveryTime": "0",
        "deliveryFeeRate": "",
        "priceScale": str(listing.price_scale),
        "leverageFilter": {
            "minLeverage": "1",
            "maxLeverage": filters["max_leverage"],
            "leverageStep": listing.leverage_step,
        },
        "priceFilter": {
            "minPrice": filters["min_price"],
            "maxPrice": filters["max_price"],
            "tickSize": filters["tick_size"],
        },
        "lotSizeFilter": {
            "maxOrderQty": filters["max_limit_quantity"],
            "maxMktOrderQty": filters["max_market_quantity"],
            "minOrderQty": filters["min_quantity"],
            "qtyStep": filters["quantity_step"],
            "postOnlyMaxOrderQty": filters["max_limit_quantity"],
            "minNotionalValue": filters["min_notional"],
        },
        "unifiedMarginTrade": True,
        "fundingInterval": rules.funding_interval_minutes,
        "copyTrading": "none",
        "upperFundingRate": cap,
        "lowerFundingRate": f"-{cap}",
        "isPreListing": False,
        "preListingInfo": None,
        "riskParameters": {"priceLimitRatioX": "0.01", "priceLimitRatioY": "0.02"},
        "displayName": "",
        "forbidUplWithdrawal": False,
    }


def kline_row(bar: Bar) -> list[str]:
    return [
        ms(bar.start),
        text(bar.open),
        text(bar.high),
        text(bar.low),
        text(bar.close),
        text(bar.volume),
        text(bar.turnover),
    ]


def kline_update(bar: Bar, interval: str, *, closed: bool, at: datetime) -> dict[str, Any]:
    """An entry of the kline topic."""
    return {
        "start": to_ms(bar.start),
        "end": to_ms(bar.end) - 1,
        "interval": interval,
        "open": text(bar.open),
        "close": text(bar.close),
        "high": text(bar.high),
        "low": text(bar.low),
        "volume": text(bar.volume),
        "turnover": text(bar.turnover),
        "confirm": closed,
        "timestamp": to_ms(at),
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """The prices of a symbol between two steps, with the day behind them."""

    instrument: Instrument
    at: datetime
    last: Decimal
    mark: Decimal
    bid: Decimal
    ask: Decimal
    day: Bar
    hour_ago: Decimal
    funding_rate: Decimal


def ticker(quote: Quote) -> dict[str, Any]:
    day, last = quote.day, quote.last
    funding_interval = timedelta(minutes=quote.instrument.funding_interval_minutes)
    interest = text(day.volume)
    interest_value = text(day.volume * last)
    return {
        "symbol": quote.instrument.symbol,
        "lastPrice": text(last),
        "indexPrice": text(quote.mark),
        "markPrice": text(quote.mark),
        "prevPrice24h": text(day.open),
        "price24hPcnt": text(round((last - day.open) / day.open, 6)),
        "highPrice24h": text(day.high),
        "lowPrice24h": text(day.low),
        "prevPrice1h": text(quote.hour_ago),
        "openInterest": interest,
        "openInterestValue": interest_value,
        "singleOpenInterest": interest,
        "singleOpenInterestValue": interest_value,
        "turnover24h": text(day.turnover),
        "volume24h": text(day.volume),
        "fundingRate": text(quote.funding_rate),
        "nextFundingTime": ms(next_funding(quote.at, funding_interval)),
        "fundingIntervalHour": str(quote.instrument.funding_interval_minutes // 60),
        "fundingCap": "0.005",
        "bid1Price": text(quote.bid),
        "bid1Size": interest,
        "ask1Price": text(quote.ask),
        "ask1Size": interest,
        "basis": "",
        "basisRate": "",
        "basisRateYear": "",
        "predictedDeliveryPrice": "",
        "deliveryFeeRate": "",
        "deliveryTime": "0",
        "preOpenPrice": "",
        "preQty": "",
        "curPreListingPhase": "",
    }
