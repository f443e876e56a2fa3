"""From the frames of a public stream to steps of a market. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from alpha.domain.clock import from_ms
from alpha.domain.ids import Symbol
from alpha.domain.side import Side
from paper_exchange.market.inside import Whole
from paper_exchange.market.instruments import Listing
from paper_exchange.market.short_steps import ShortStep
from paper_exchange.market.source import MarketTrade

_TOLD = ("markPrice", "indexPrice", "fundingRate", "nextFundingTime")


class LiveSteps:
    """Trades of one step's time become one step when a later trade comes, or when it is closed for want of one.

    What is older than the last step happened at its end: time does not go back. Mark and index price and the funding
    rate are those that the ticker told last; a rate is due when its time has come, at the value that was told before.
    """

    def __init__(self, listings: Mapping[Symbol, Listing], step_ms: int, end_ms: int) -> None:
        self._listings = listings
        self._step_ms = step_ms
        self._tickers: dict[Symbol, dict[str, Decimal]] = {symbol: {} for symbol in listings}
        self._owed: dict[Symbol, tuple[int, Decimal]] = {}
        self.begin(end_ms)

    def begin(self, end_ms: int) -> None:
        """The market has come this far; what was collected of a step is forgotten."""
        self._end_ms = end_ms
        self._start_ms = end_ms
        self._trades: dict[Symbol, list[MarketTrade]] = {}

    @property
    def is_open(self) -> bool:
        """Whether trades wait for their step to be closed."""
        return bool(self._trades)

    def take(self, frame: Mapping[str, Any]) -> list[ShortStep]:
        """The steps that a frame closes.

        Raises KeyError, TypeError, ValueError, OverflowError, OSError or InvalidOperation for one that cannot be read;
        then nothing of it was taken.
        """
        topic = str(frame.get("topic", ""))
        if topic.startswith("tickers."):
            self._take_ticker(frame["data"])
        elif topic.startswith("publicTrade."):
            trades = [self._read_trade(row) for row in frame["data"]]
            return [step for at_ms, symbol, trade in trades for step in self._take_trade(at_ms, symbol, trade)]
        return []

    def close(self) -> list[ShortStep]:
        """The step that waits, if there is one."""
        if not self._trades:
            return []
        start_ms, end_ms = self._start_ms, self._start_ms + self._step_ms
        bars = {symbol: self._whole(symbol, trades) for symbol, trades in self._trades.items()}
        step = ShortStep(
            start_ms,
            end_ms,
            bars,
            self._prices("markPrice"),
            self._prices("indexPrice"),
            self._due(start_ms),
            self._trades,
        )
        self._end_ms, self._trades = end_ms, {}
        return [step]

    def _read_trade(self, row: Mapping[str, Any]) -> tuple[int, Symbol, MarketTrade]:
        symbol = Symbol(row["s"])
        instrument = self._listings[symbol].instrument
        at_ms = max(self._end_ms, int(row["T"]))
        trade = MarketTrade(
            time=from_ms(at_ms),
            side=Side(row["S"]),
            price=instrument.round_price(_number(row["p"])),
            quantity=max(instrument.round_quantity(_number(row["v"])), instrument.quantity_step),
            trade_id=str(row["i"]),
        )
        return at_ms, symbol, trade

    def _take_trade(self, at_ms: int, symbol: Symbol, trade: MarketTrade) -> list[ShortStep]:
        start_ms = max(self._end_ms, at_ms // self._step_ms * self._step_ms)
        closed = self.close() if self._trades and start_ms > self._start_ms else []
        if not self._trades:
            self._start_ms = start_ms
        self._trades.setdefault(symbol, []).append(trade)
        return closed

    def _take_ticker(self, changed: Mapping[str, Any]) -> None:
        symbol = Symbol(changed["symbol"])
        known = self._tickers[symbol]
        due, rate = known.get("nextFundingTime"), known.get("fundingRate")
        known.update({name: _number(changed[name]) for name in _TOLD if changed.get(name)})
        if due is not None and rate is not None and known["nextFundingTime"] != due:
            self._owed[symbol] = (int(due), rate)

    def _due(self, start_ms: int) -> dict[Symbol, Decimal]:
        due = {symbol: rate for symbol, (at_ms, rate) in self._owed.items() if at_ms <= start_ms}
        for symbol in due:
            del self._owed[symbol]
        return due

    def _prices(self, name: str) -> dict[Symbol, int]:
        """In ticks, of the symbols whose ticker told one."""
        return {
            symbol: max(1, int((known[name] / self._listings[symbol].instrument.tick_size).to_integral_value()))
            for symbol, known in self._tickers.items()
            if name in known
        }

    def _whole(self, symbol: Symbol, trades: list[MarketTrade]) -> Whole:
        instrument = self._listings[symbol].instrument
        prices = [int(trade.price / instrument.tick_size) for trade in trades]
        volume = sum(int(trade.quantity / instrument.quantity_step) for trade in trades)
        return Whole(prices[0], max(prices), min(prices), prices[-1], volume)


def _number(text: str) -> Decimal:
    number = Decimal(text)
    if not number.is_finite():
        raise ValueError(f"{text!r} is no finite number")
    return number
