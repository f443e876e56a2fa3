"""Market data on the wire (https://bybit-exchange.github.io/docs/v5/market/kline and the pages beside it)."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from alpha.domain.clock import to_ms
from paper_exchange.engine import OrderBook
from paper_exchange.engine.price_limits import RATIO_X, RATIO_Y
from paper_exchange.engine.risk_tiers import RiskTiers
from paper_exchange.market.instruments import Listing
from paper_exchange.market.klines import Candle
from paper_exchange.market.source import FundingRate
from paper_exchange.market.tape import PublicTrade
from paper_exchange.market.tickers import Ticker
from paper_exchange.server.wire_text import bound, ms_text, number

_PERCENT_PLACES = Decimal("0.01")


def kline_row(candle: Candle) -> list[str]:
    """One row of market/kline."""
    bar = candle.bar
    prices = [number(price) for price in (bar.open, bar.high, bar.low, bar.close)]
    return [ms_text(bar.start), *prices, number(bar.volume), number(bar.turnover)]


def price_kline_row(candle: Candle) -> list[str]:
    """One row of mark- and index-price-kline, where nothing is traded."""
    bar = candle.bar
    return [ms_text(bar.start), *(number(price) for price in (bar.open, bar.high, bar.low, bar.close))]


def kline_update(candle: Candle, interval: str, now: datetime) -> dict[str, Any]:
    """One row of the `kline` topic; `end` is the last millisecond that belongs to it."""
    bar = candle.bar
    return {
        "start": to_ms(bar.start),
        "end": to_ms(bar.end) - 1,
        "interval": interval,
        "open": number(bar.open),
        "close": number(bar.close),
        "high": number(bar.high),
        "low": number(bar.low),
        "volume": number(bar.volume),
        "turnover": number(bar.turnover),
        "confirm": candle.is_closed,
        "timestamp": to_ms(now),
    }


def instrument(listing: Listing) -> dict[str, Any]:
    """One row of instruments-info."""
    traded, filters = listing.instrument, listing.filters
    return {
        "symbol": traded.symbol,
        "symbolId": listing.symbol_id,
        "contractType": "LinearPerpetual",
        "status": "Trading",
        "baseCoin": traded.base,
        "quoteCoin": traded.quote,
        "settleCoin": traded.quote,
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
        "fundingInterval": traded.funding_interval_minutes,
        "copyTrading": "none",
        "upperFundingRate": number(listing.funding_rate_cap),
        "lowerFundingRate": number(-listing.funding_rate_cap),
        "isPreListing": False,
        "preListingInfo": None,
        "riskParameters": {"priceLimitRatioX": number(RATIO_X), "priceLimitRatioY": number(RATIO_Y)},
        "displayName": "",
        "forbidUplWithdrawal": False,
    }


def ticker_row(ticker: Ticker, listing: Listing) -> dict[str, str]:
    """One row of market/tickers. Where no index is known the mark price stands in."""
    change = ticker.last / ticker.previous_24h - 1
    interest = number(ticker.open_interest)
    interest_value = number((ticker.open_interest * ticker.mark).quantize(ticker.turnover_24h))
    return {
        "symbol": ticker.symbol,
        "lastPrice": number(ticker.last),
        "indexPrice": number(ticker.index),
        "markPrice": number(ticker.mark),
        "prevPrice24h": number(ticker.previous_24h),
        "price24hPcnt": f"{change:.6f}",
        "highPrice24h": number(ticker.high_24h),
        "lowPrice24h": number(ticker.low_24h),
        "prevPrice1h": number(ticker.previous_1h),
        "openInterest": interest,
        "openInterestValue": interest_value,
        "singleOpenInterest": interest,
        "singleOpenInterestValue": interest_value,
        "turnover24h": number(ticker.turnover_24h),
        "volume24h": number(ticker.volume_24h),
        "fundingRate": number(ticker.funding_rate),
        "nextFundingTime": ms_text(ticker.next_funding),
        "fundingIntervalHour": str(listing.instrument.funding_interval_minutes // 60),
        "fundingCap": number(listing.funding_rate_cap),
        "bid1Price": number(ticker.bid),
        "bid1Size": number(ticker.bid_size),
        "ask1Price": number(ticker.ask),
        "ask1Size": number(ticker.ask_size),
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


def ticker_update(ticker: Ticker, listing: Listing) -> dict[str, str]:
    """The whole of a `tickers` snapshot; a delta holds what differs from the one before."""
    return {**ticker_row(ticker, listing), "tickDirection": _tick_direction(ticker)}


def orderbook(symbol: str, book: OrderBook, now: datetime) -> dict[str, Any]:
    """The answer of market/orderbook."""
    at = to_ms(now)
    return {
        "s": symbol,
        "b": [[number(level.price), number(level.quantity)] for level in book.bids],
        "a": [[number(level.price), number(level.quantity)] for level in book.asks],
        "ts": at,
        "u": book.update_id,
        "seq": book.seq,
        "cts": at,
    }


def recent_trade(trade: PublicTrade) -> dict[str, Any]:
    """One row of market/recent-trade; `side` is the taker's."""
    return {
        "execId": trade.trade_id,
        "symbol": trade.symbol,
        "price": number(trade.price),
        "size": number(trade.quantity),
        "side": trade.side.value,
        "time": ms_text(trade.time),
        "isBlockTrade": False,
        "isRPITrade": False,
        "seq": str(trade.seq),
    }


def open_interest(at: datetime, interest: Decimal) -> dict[str, str]:
    """One row of market/open-interest."""
    return {"openInterest": number(interest), "singleOpenInterest": number(interest), "timestamp": ms_text(at)}


def risk_limits(symbol: str, tiers: RiskTiers) -> list[dict[str, Any]]:
    """The tiers of an instrument, smallest positions first; margins are in percent."""
    return [
        {
            "id": tier.id,
            "symbol": symbol,
            "riskLimitValue": bound(tier.limit),
            "maintenanceMargin": number(tier.maintenance_rate * 100),
            "initialMargin": number((100 / tier.max_leverage).quantize(_PERCENT_PLACES)),
            "isLowestRisk": int(tier.id == 1),
            "maxLeverage": str(tier.max_leverage),
            "mmDeduction": number(tier.deduction) if tier.deduction else "",
        }
        for tier in tiers.all
    ]


def price_limit(symbol: str, highest_buy: Decimal, lowest_sell: Decimal, now: datetime) -> dict[str, str]:
    """The answer of market/price-limit."""
    return {"symbol": symbol, "buyLmt": number(highest_buy), "sellLmt": number(lowest_sell), "ts": ms_text(now)}


def funding_row(symbol: str, funding: FundingRate) -> dict[str, str]:
    return {"symbol": symbol, "fundingRate": number(funding.rate), "fundingRateTimestamp": ms_text(funding.time)}


def _tick_direction(ticker: Ticker) -> str:
    if ticker.last == ticker.before_last:
        return "ZeroPlusTick"
    return "PlusTick" if ticker.last > ticker.before_last else "MinusTick"
