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
from tests.unit.paper_exchange.small_disk import disk_of

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


def test_what_cannot_be_written_whole_is_not_kept_and_what_comes_after_it_is(tmp_path: Path):
    path = tmp_path / "inputs.jsonl"
    with closing(InputLog(tmp_path, HEADER)) as log:
        log.append(Step())
        with disk_of(path.stat().st_size + 8), pytest.raises(OSError, match="too large"):
            log.append(CancelAll(uid=UID, symbol=COIN))
        log.append(Step())
    with closing(InputLog(tmp_path, HEADER)) as log:
        assert list(log.inputs()) == [Step(), Step()]


def test_a_torn_last_line_is_dropped_and_one_in_the_middle_is_refused(tmp_path: Path):
    path = tmp_path / "inputs.jsonl"
    with closing(InputLog(tmp_path, HEADER)) as log:
        log.append(Step())
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"uid":1,"op":"can')
    with closing(InputLog(tmp_path, HEADER)) as log:
        assert list(log.inputs()) == [Step()]
    path.write_bytes(whole + b'{"uid":1,"op":"can\n' + b'{"op":"step"}\n')
    with closing(InputLog(tmp_path, HEADER)) as log, pytest.raises(StateUnusable, match=r"inputs\.jsonl:3 is damaged"):
        list(log.inputs())


def test_a_header_that_was_torn_begins_anew(tmp_path: Path):
    (tmp_path / "inputs.jsonl").write_bytes(b'{"form')
    with closing(InputLog(tmp_path, HEADER)) as log:
        assert list(log.inputs()) == []


def test_a_state_that_cannot_be_copied_leaves_the_log_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    with closing(InputLog(tmp_path, HEADER)) as log:
        log.append(Step())
        log.save("here")
        log.append(Step())
        monkeypatch.setattr("paper_exchange.state.copyfile", full)
        for copying in (log.save, log.return_to):
            with pytest.raises(StateUnusable, match="No space left"):
                copying("here")
        log.append(Step())
        assert list(log.inputs()) == [Step()] * 3
        monkeypatch.undo()
        log.return_to("here")
        log.append(Step())
        assert list(log.inputs()) == [Step()] * 2


def test_another_exchange_is_not_taken_for_this_one(tmp_path: Path):
    InputLog(tmp_path, HEADER).close()
    with pytest.raises(StateUnusable, match="another seed"):
        InputLog(tmp_path, {"seed": 8})


def test_a_header_that_is_older_than_a_name_stays_as_it_is(tmp_path: Path):
    InputLog(tmp_path, HEADER).close()
    for _ in range(2):
        with closing(InputLog(tmp_path, {**HEADER, "tiers": "graded"}, later=("tiers",))) as log:
            assert "tiers" not in log.header
    with pytest.raises(StateUnusable, match="another market;"):
        InputLog(tmp_path, {**HEADER, "tiers": "graded", "market": "made"}, later=("tiers",))


def test_a_header_that_says_another_thing_under_a_later_name_is_refused(tmp_path: Path):
    with closing(InputLog(tmp_path, {**HEADER, "tiers": "graded"}, later=("tiers",))) as log:
        assert log.header["tiers"] == "graded"
    with pytest.raises(StateUnusable, match="another tiers;"):
        InputLog(tmp_path, {**HEADER, "tiers": "other"}, later=("tiers",))
