"""The instruments of the paper exchange, read from the table beside the package."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import yaml

from alpha.domain.errors import AlphaError
from alpha.domain.ids import Symbol
from alpha.domain.instrument import Instrument
from paper_exchange.engine.risk_tiers import RiskTiers
from paper_exchange.market.source import BASE_INTERVAL

INSTRUMENTS_FILE = Path(__file__).parent.parent / "instruments.yaml"


class InstrumentsInvalid(AlphaError):
    """The table of instruments cannot be read, or a symbol that was asked for is not in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SyntheticTraits:
    """What a made-up market of the instrument looks like.

    `volatility` is the standard deviation of a 5-minute log return in calm and stormy times together, `daily_turnover`
    is in the quote currency.
    """

    price: Decimal
    volatility: float
    daily_turnover: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """One tradable instrument with everything Bybit publishes about it.

    `filters` keeps the numbers as text, because instruments-info sends them with their trailing zeros.
    """

    instrument: Instrument
    symbol_id: int
    launch_time_ms: int
    price_scale: int
    filters: Mapping[str, str]
    leverage_step: str
    risk_limit_value: Decimal
    funding_rate_cap: Decimal
    taker_fee: Decimal
    maker_fee: Decimal
    traits: SyntheticTraits

    @property
    def risk_tiers(self) -> RiskTiers:
        """`risk_limit_value` is the limit of the first of them."""
        return RiskTiers.graded(self.instrument.max_leverage, self.risk_limit_value)

    @property
    def symbol(self) -> Symbol:
        return self.instrument.symbol


def load_listings(symbols: Iterable[Symbol] | None = None, *, path: Path = INSTRUMENTS_FILE) -> dict[Symbol, Listing]:
    """The listings by symbol, in the order asked for; all of the table when no symbols are named.

    Raises InstrumentsInvalid naming the symbol or the entry.
    """
    try:
        table = yaml.safe_load(path.read_text())
        defaults, rows = table["defaults"], table["instruments"]
    except (OSError, yaml.YAMLError, KeyError, TypeError) as error:
        raise InstrumentsInvalid(f"the table of instruments {path} cannot be read: {error!r}") from error
    wanted = list(dict.fromkeys(symbols)) if symbols is not None else [Symbol(name) for name in rows]
    listings = {}
    for symbol in wanted:
        if symbol not in rows:
            raise InstrumentsInvalid(f"{symbol} is not in the table of instruments; it has {', '.join(sorted(rows))}")
        try:
            listings[symbol] = _listing(symbol, {**defaults, **rows[symbol]})
        except (KeyError, TypeError, ValueError, InvalidOperation) as error:
            raise InstrumentsInvalid(f"{path.name}: the entry of {symbol} is wrong: {error!r}") from error
    return listings


def listable(candles: Path | None = None) -> tuple[Symbol, ...]:
    """Every symbol of the table; of them those that are recorded, where a folder of candles is named.

    Raises InstrumentsInvalid, and CandlesUnavailable for a folder without any.
    """
    symbols = tuple(load_listings())
    if candles is None:
        return symbols
    # pyarrow, which only a replay needs, costs a quarter of a second.
    from alpha.candles.store import CandleStore, interval_text

    recorded = CandleStore(candles).symbols(interval_text(BASE_INTERVAL))
    return tuple(symbol for symbol in symbols if symbol in recorded)


_FILTERS = (
    "tick_size",
    "min_price",
    "max_price",
    "quantity_step",
    "min_quantity",
    "max_limit_quantity",
    "max_market_quantity",
    "min_notional",
    "max_leverage",
)


def _listing(symbol: Symbol, row: Mapping[str, Any]) -> Listing:
    filters = {name: str(row[name]) for name in _FILTERS}
    numbers = {name: Decimal(text) for name, text in filters.items()}
    market = row["market"]
    return Listing(
        instrument=Instrument(
            symbol=symbol,
            base=row["base"],
            quote="USDT",
            funding_interval_minutes=int(row["funding_interval_minutes"]),
            **numbers,
        ),
        symbol_id=int(row["symbol_id"]),
        launch_time_ms=int(row["launch_time_ms"]),
        price_scale=int(row["price_scale"]),
        filters=filters,
        leverage_step=str(row["leverage_step"]),
        risk_limit_value=Decimal(row["risk_limit_value"]),
        funding_rate_cap=Decimal(row["funding_rate_cap"]),
        taker_fee=Decimal(row["taker_fee"]),
        maker_fee=Decimal(row["maker_fee"]),
        traits=SyntheticTraits(
            price=Decimal(market["price"]),
            volatility=float(market["volatility"]),
            daily_turnover=float(market["daily_turnover"]),
        ),
    )
