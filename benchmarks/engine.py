"""The paper exchange's engine alone, without server or sockets: market orders, and a year of bars.

The floor is the least that any such engine does for an order in Python: a hash for its id, a value in Decimal, and a
place in a dictionary.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from hashlib import blake2b

from alpha.bot.testing import an_instrument
from alpha.domain.bar import Bar
from alpha.domain.ids import Symbol
from alpha.domain.order import OrderType
from alpha.domain.side import Side
from benchmarks.figures import Figure, Section, Unit, at_least, at_most
from paper_exchange.engine import Engine, EngineAccount, FeeRates, OrderRequest, TradingStop

_UID = 1001
_SYMBOLS = tuple(Symbol(name) for name in ("BTCUSDT", "ETHUSDT", "SOLUSDT"))
_START = datetime(2025, 1, 1, tzinfo=UTC)
_INTERVAL = timedelta(minutes=5)
_QUANTITY, _PRICE = Decimal("0.002"), Decimal(60_000)
_YEAR = 365 * 24 * 12
_ORDERS_PER_BAR = 100
_BARS_PER_ORDER = 50


def measure(*, quick: bool) -> Section:
    """Rates are of CPU time, which is what the engine costs wherever it runs."""
    orders = 10_000 if quick else 50_000
    bars = _YEAR // 10 if quick else _YEAR
    floor = _rate(orders, lambda: _floor(orders))
    waiting, at_once = _market_orders(orders), _trade_now(orders)
    how = (
        f"{orders:,} market orders of one account, bought and sold in turn, every event taken, in one process and CPU "
        f"time; then {bars:,} five-minute bars of three symbols, scaled to a year. The floor hashes an id, multiplies "
        "a Decimal and fills a dictionary."
    )
    year = _YEAR / bars
    figures = (
        Figure("floor", floor, Unit.ORDERS_PER_S),
        Figure(f"placed, matched at the next open, {_ORDERS_PER_BAR} a bar", waiting, Unit.ORDERS_PER_S, at_least(3e4)),
        Figure("the same, floor to it", floor / waiting, Unit.TIMES),
        Figure("matched at once", at_once, Unit.ORDERS_PER_S, at_least(3e4)),
        Figure("the same, floor to it", floor / at_once, Unit.TIMES),
        Figure(f"a year, an order every {_BARS_PER_ORDER} bars", _bars(bars) * year, Unit.S, at_most(3)),
        Figure("a year, a position held under its stops", _bars(bars, held=True) * year, Unit.S, at_most(3)),
    )
    return Section("engine", "The engine alone", how, figures)


def _floor(count: int) -> None:
    book = {}
    for number in range(count):
        order_id = blake2b(b"%d" % number, digest_size=16).hexdigest()
        book[order_id] = _PRICE * _QUANTITY


def _market_orders(count: int) -> float:
    engine = _engine()
    requests = _requests(count)
    bars = [_bars_at(number) for number in range(-(-count // _ORDERS_PER_BAR))]

    def run() -> None:
        for number, bar in enumerate(bars):
            for request in requests[number * _ORDERS_PER_BAR : (number + 1) * _ORDERS_PER_BAR]:
                engine.place_order(_UID, request)
            engine.step(bar)
            engine.take_events()

    return _rate(count, run)


def _trade_now(count: int) -> float:
    engine = _engine()
    engine.step(_bars_at(0))
    requests = _requests(count)

    def run() -> None:
        for request in requests:
            engine.trade_now(_UID, request)
            engine.take_events()

    return _rate(count, run)


def _bars(count: int, *, held: bool = False) -> float:
    """Seconds for `count` bars of each symbol: with orders now and then, or with a position that nothing happens to."""
    engine = _engine()
    bars = [_bars_at(number) for number in range(count)]
    requests = _requests(count // _BARS_PER_ORDER + 1)
    if held:
        engine.trade_now(_UID, requests[0])
        engine.set_trading_stop(_UID, TradingStop(symbol=_SYMBOLS[0], stop_loss=_PRICE / 2, take_profit=_PRICE * 2))

    def run() -> None:
        for number, bar in enumerate(bars):
            if not held and number % _BARS_PER_ORDER == 0:
                engine.place_order(_UID, requests[number // _BARS_PER_ORDER])
            engine.step(bar)
            engine.take_events()

    return count / _rate(count, run)


def _rate(count: int, run: Callable[[], None]) -> float:
    started = time.process_time()
    run()
    return count / (time.process_time() - started)


def _engine() -> Engine:
    fees = FeeRates(taker=Decimal("0.00055"), maker=Decimal("0.0002"))
    engine = Engine(
        instruments={symbol: an_instrument(symbol) for symbol in _SYMBOLS},
        fees=dict.fromkeys(_SYMBOLS, fees),
        seed=1,
        start=_START,
        prices=dict.fromkeys(_SYMBOLS, _PRICE),
    )
    engine.open_account(EngineAccount(uid=_UID, balance=Decimal(10_000_000)))
    return engine


def _requests(count: int) -> list[OrderRequest]:
    return [
        OrderRequest(
            symbol=_SYMBOLS[number // 2 % len(_SYMBOLS)],
            side=Side.SELL if number % 2 else Side.BUY,
            order_type=OrderType.MARKET,
            quantity=_QUANTITY,
            order_link_id=f"be-en-{number:020d}",
        )
        for number in range(count)
    ]


def _bars_at(number: int) -> dict[Symbol, Bar]:
    price = _PRICE + number % 50
    return {
        symbol: Bar(
            symbol=symbol,
            interval=_INTERVAL,
            start=_START + number * _INTERVAL,
            open=price,
            high=price + 30,
            low=price - 30,
            close=price + 5,
            volume=Decimal("100.5"),
            turnover=price * Decimal("100.5"),
        )
        for symbol in _SYMBOLS
    }
