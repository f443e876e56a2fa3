"""What an upstream exchange knows about the past, by its public REST endpoints."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

import requests

from alpha.domain.clock import from_ms
from alpha.domain.ids import Symbol
from paper_exchange.market.inside import Whole
from paper_exchange.market.instruments import Listing
from paper_exchange.market.short_steps import ShortStep
from paper_exchange.market.source import FundingRate, MarketUnavailable
from paper_exchange.market.upstream import Upstream

_PAGE = 1_000
_MINUTE_MS = 60_000
_TIMEOUT_S = 10.0


class LiveHistory:
    """Blocks while it asks. Raises MarketUnavailable when the upstream cannot be reached or answers something else."""

    def __init__(self, upstream: Upstream, listings: Mapping[Symbol, Listing]) -> None:
        self._url = upstream.rest_url
        self._minutes = upstream.history_minutes
        self._listings = listings
        self._session = requests.Session()
        self._session.trust_env = upstream.proxy is not None

    def before_now(self) -> tuple[int, dict[Symbol, list[Whole]]]:
        """The end (ms) of the last minute that is closed for every symbol, and the minutes before it."""
        closed = {symbol: self._closed(symbol, self._minutes, None) for symbol in self._listings}
        end_ms = min(max(minutes) for minutes in closed.values()) + _MINUTE_MS
        history: dict[Symbol, list[Whole]] = {}
        for symbol, minutes in closed.items():
            rows: list[Whole] = []
            start_ms = end_ms - _MINUTE_MS
            # Back to the first minute that is missing: rows have no gaps.
            while start_ms in minutes:
                rows.append(minutes[start_ms])
                start_ms -= _MINUTE_MS
            history[symbol] = rows[::-1]
        return end_ms, history

    def steps_since(self, since_ms: int) -> list[ShortStep]:
        """A step for each minute that was closed since then; of the first one nothing if it had begun."""
        first_ms = -(-since_ms // _MINUTE_MS) * _MINUTE_MS
        found: dict[int, dict[Symbol, Whole]] = {}
        for symbol in self._listings:
            for start_ms, bar in self._closed(symbol, self._minutes, first_ms).items():
                if start_ms >= first_ms:
                    found.setdefault(start_ms, {})[symbol] = bar
        return [
            ShortStep(start_ms, start_ms + _MINUTE_MS, bars, {}, {}, {}, {}) for start_ms, bars in sorted(found.items())
        ]

    def funding(self, symbol: Symbol) -> list[FundingRate]:
        """The rates that were paid lately, oldest first."""
        rows = self._asked("/v5/market/funding/history", symbol=symbol, limit=200)
        try:
            rates = [
                FundingRate(time=from_ms(int(row["fundingRateTimestamp"])), rate=Decimal(row["fundingRate"]))
                for row in rows
            ]
        except (KeyError, ValueError, TypeError, InvalidOperation) as error:
            raise MarketUnavailable(f"{self._url} gives funding that cannot be read: {error!r}") from error
        return rates[::-1]

    def _closed(self, symbol: Symbol, count: int, since_ms: int | None) -> dict[int, Whole]:
        """The closed minutes by their start, the newest `count`, or as far back as `since_ms`."""
        instrument = self._listings[symbol].instrument
        found: dict[int, Whole] = {}
        end_ms: int | None = None
        newest: int | None = None
        while len(found) < count:
            window = {} if end_ms is None else {"end": end_ms}
            rows = self._asked("/v5/market/kline", symbol=symbol, interval="1", limit=_PAGE, **window)
            if not rows:
                break
            try:
                for row in rows:
                    open_, high, low, close = (_units(price, instrument.tick_size) for price in row[1:5])
                    found[int(row[0])] = Whole(open_, high, low, close, _units(row[5], instrument.quantity_step))
            except (IndexError, ValueError, TypeError, InvalidOperation) as error:
                raise MarketUnavailable(f"{self._url} gives candles that cannot be read: {error!r}") from error
            newest = int(rows[0][0]) if newest is None else newest
            end_ms = min(found) - 1
            if len(rows) < _PAGE or (since_ms is not None and end_ms < since_ms):
                break
        # The newest one is still open.
        if newest is not None:
            del found[newest]
        if not found and since_ms is None:
            raise MarketUnavailable(f"{self._url} has no candles of {symbol}")
        return found

    def _asked(self, path: str, **query: Any) -> list[Any]:
        try:
            response = self._session.get(self._url + path, params={"category": "linear", **query}, timeout=_TIMEOUT_S)
            body = response.json()
            if body["retCode"] != 0:
                raise MarketUnavailable(f"{self._url}{path} refuses: {body['retMsg']}")
            rows: list[Any] = body["result"]["list"]
        except (requests.RequestException, KeyError, TypeError, ValueError) as error:
            raise MarketUnavailable(f"{self._url}{path} cannot be asked: {error}") from error
        return rows


def _units(text: str, unit: Decimal) -> int:
    return int((Decimal(text) / unit).to_integral_value())
