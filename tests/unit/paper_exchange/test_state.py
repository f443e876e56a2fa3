from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from alpha.domain.order import OrderType
from paper_exchange.engine import Engine, OrderRequest, Refused, TradingStop
from paper_exchange.state import (
    CancelAll,
    Deleverage,
    Input,
    InputLog,
    PlaceOrder,
    SetLeverage,
    SetMarginMode,
    SetPositionMode,
    SetTradingStop,
    StateUnusable,
    Step,
    TradeNow,
)
from tests.unit.engine.scene import BUY, COIN, OTHER, SELL, UID, D, Scene

HEADER = {"seed": 7}


def place(side: Any, quantity: str, *, idx: int = 0, symbol: Any = OTHER, price: str | None = None) -> PlaceOrder:
    request = OrderRequest(
        symbol=symbol,
        side=side,
        order_type=OrderType.MARKET if price is None else OrderType.LIMIT,
        quantity=D(quantity),
        price=None if price is None else D(price),
        position_idx=idx,
    )
    return PlaceOrder(uid=UID, request=request)


LIFE: tuple[Input, ...] = (
    SetPositionMode(uid=UID, mode="hedge", symbol=COIN),
    SetLeverage(uid=UID, symbol=COIN, leverage=D(20)),
    place(BUY, "2", idx=1, symbol=COIN),
    place(SELL, "1", idx=2, symbol=COIN),
    place(BUY, "1"),
    Step(),
    SetTradingStop(uid=UID, request=TradingStop(symbol=COIN, stop_loss=D(90), position_idx=1)),
    SetMarginMode(uid=UID, mode="isolated"),
    place(SELL, "1", price="101"),
    TradeNow(orders=(place(SELL, "1", idx=1, symbol=COIN), place(SELL, "99", idx=1, symbol=OTHER))),
    Step(),
    Deleverage(uid=UID, symbol=COIN, quantity=D("0.5"), position_idx=2),
    CancelAll(uid=UID, symbol=OTHER),
    SetMarginMode(uid=UID, mode="isolated"),
    Step(),
)


def act(scene: Scene, given: Input) -> None:
    if isinstance(given, Step):
        bars = {symbol: scene.make_bar("100", "103", "98", "101", symbol=symbol) for symbol in (COIN, OTHER)}
        scene.engine.step(bars, funding={COIN: D("0.0001"), OTHER: D("0.0001")})
        return
    try:
        given.apply(scene.engine)
    except Refused:
        return


def everything(engine: Engine) -> tuple[Any, ...]:
    return (
        engine.orders(UID, open_only=False),
        engine.executions(UID),
        engine.transactions(UID),
        engine.closed_pnl(UID),
        engine.positions(UID),
        engine.wallet(UID),
        engine.margin_mode(UID),
        [engine.is_hedge(UID, symbol) for symbol in (COIN, OTHER)],
    )


def test_an_exchange_becomes_what_it_was_at_every_point_of_its_life(tmp_path: Path):
    lived = Scene()
    with closing(InputLog(tmp_path, HEADER)) as log:
        for given in LIFE:
            log.append(given)
            act(lived, given)
            replayed = Scene()
            for kept in log.inputs():
                act(replayed, kept)
            assert everything(replayed.engine) == everything(lived.engine)
        assert list(log.inputs()) == list(LIFE)
    # and it was a life: something was traded, closed, deleveraged, paid
    assert {row.type for row in lived.engine.transactions(UID)} == {"TRADE", "ADL", "SETTLEMENT"}
    assert lived.engine.closed_pnl(UID)


def test_another_exchange_is_not_taken_for_this_one(tmp_path: Path):
    InputLog(tmp_path, HEADER).close()
    with pytest.raises(StateUnusable, match="another seed"):
        InputLog(tmp_path, {"seed": 8})
