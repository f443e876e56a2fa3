"""What a backtest's bot hears of positions is what the exchange's snapshots say."""

from __future__ import annotations

import random
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from alpha.bot.testing import BTC, an_instrument
from alpha.domain.bar import Bar
from alpha.domain.order import OrderType
from alpha.domain.side import Side
from backtest.stream import AccountStream
from backtest.translation import held_of
from paper_exchange.engine import Engine, EngineAccount, FeeRates, OrderRequest, Refused, TradingStop
from paper_exchange.engine.account import Account
from paper_exchange.engine.holding import Holding

_START = datetime(2026, 1, 1, tzinfo=UTC)
_BAR = timedelta(minutes=5)
_UID = 1001


class Compared:
    """The stream, held against a snapshot each time a position is told."""

    def __init__(self) -> None:
        self.flat = self.stopped = self.trailed = 0
        self._stream = AccountStream()
        self.order, self.execution, self.wallet = self._stream.order, self._stream.execution, self._stream.wallet

    def position(self, account: Account, holding: Holding, at: datetime) -> None:
        self._stream.position(account, holding, at)
        told = held_of(account.position_state(holding, at))
        assert self._stream.take()[2] == [told]
        self.flat += told.is_flat
        self.stopped += told.stop_loss is not None
        self.trailed += told.trailing_stop is not None


@pytest.mark.parametrize("seed", range(3))
def test_a_position_is_told_as_its_snapshot_says(seed: int) -> None:
    draw, stream = random.Random(seed), Compared()
    engine = Engine(
        instruments={BTC: an_instrument(BTC)},
        fees={BTC: FeeRates(taker=Decimal("0.00055"), maker=Decimal("0.0002"))},
        seed=seed,
        start=_START,
        prices={BTC: Decimal(100)},
        audience=stream,
    )
    engine.open_account(EngineAccount(uid=_UID, balance=Decimal(100_000)))
    price = Decimal(100)
    for number in range(120):
        with suppress(Refused):
            _ask(engine, draw, price)
        close = price + draw.randint(-3, 3)
        engine.step({BTC: _bar(number, price, close)})
        price = max(close, Decimal(20))
    assert min(stream.flat, stream.stopped, stream.trailed) > 0


def _ask(engine: Engine, draw: random.Random, price: Decimal) -> None:
    match draw.randrange(5):
        case 0 | 1:
            side, quantity = draw.choice((Side.BUY, Side.SELL)), Decimal(draw.randint(1, 3))
            engine.submit(_UID, OrderRequest(symbol=BTC, side=side, order_type=OrderType.MARKET, quantity=quantity))
        case 2:
            engine.set_trading_stop(_UID, TradingStop(symbol=BTC, trailing_stop=Decimal(2)))
        case 3:
            engine.set_trading_stop(_UID, TradingStop(symbol=BTC, stop_loss=price - 2))
        case 4:
            engine.set_trading_stop(_UID, TradingStop(symbol=BTC, take_profit=price + 3))


def _bar(number: int, opening: Decimal, close: Decimal) -> Bar:
    high, low = max(opening, close) + 1, min(opening, close) - 1
    return Bar(
        symbol=BTC, interval=_BAR, start=_START + number * _BAR, open=opening, high=high, low=low, close=close,
        volume=Decimal(1_000), turnover=Decimal(1_000) * close,
    )  # fmt: skip
