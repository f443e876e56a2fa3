"""The outcomes of a placement in the order of their precedence.

One request after the other, each with every fault from some place in the enumeration on: the one that stands first is
what the client hears, and with that one mended the next.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from alpha.domain.ids import Symbol
from alpha.domain.order import OrderType
from paper_exchange.engine import (
    Engine,
    EngineAccount,
    FeeRates,
    OrderRequest,
    Outcome,
    Refused,
    TpslMode,
    TradingStop,
    TriggerBy,
)
from paper_exchange.engine.risk_tiers import RiskTier, RiskTiers
from tests.unit.engine.scene import BUY, COIN, OTHER, SELL, START, UID, D, Scene, instrument

NEW = Symbol("NEWUSDT")


def outcome_of(engine: Engine, request: OrderRequest) -> Outcome:
    """What would become of it; a refused one leaves no trace, so that the next can be asked of the same engine."""
    try:
        engine.place_order(UID, request)
    except Refused as refused:
        outcome = refused.outcome
        return Outcome.ACCEPTED if outcome is None else outcome
    return Outcome.ACCEPTED


def walk(engine: Engine, request: OrderRequest, steps: list[tuple[Outcome, dict[str, Any]]]) -> None:
    """Each step names the outcome of the request as it stands, then mends it. Outcomes come in enumeration order."""
    places = {outcome: place for place, outcome in enumerate(Outcome)}
    assert [places[outcome] for outcome, _ in steps] == sorted(places[outcome] for outcome, _ in steps)
    for outcome, mended in steps:
        assert outcome_of(engine, request) is outcome
        request = replace(request, **mended)
    assert outcome_of(engine, request) is Outcome.ACCEPTED


@pytest.fixture
def engine() -> Engine:
    """COIN with a price and an order `taken`, NEW without a price, and margin for little."""
    fees = FeeRates(taker=D("0.001"), maker=D("0.001"))
    made = Engine(
        instruments={symbol: instrument(symbol) for symbol in (COIN, OTHER, NEW)},
        fees=dict.fromkeys((COIN, OTHER, NEW), fees), seed=1, start=START, prices={COIN: D(100), OTHER: D(100)},
    )  # fmt: skip
    made.open_account(EngineAccount(uid=UID, balance=D(1000)))
    made.place_order(
        UID,
        OrderRequest(
            symbol=COIN, side=BUY, order_type=OrderType.LIMIT, quantity=D(1), price=D(99), order_link_id="taken"
        ),
    )
    return made


def test_a_limit_order_with_everything_wrong(engine: Engine):
    walk(
        engine,
        OrderRequest(
            symbol=Symbol("NOPEUSDT"), side=BUY, order_type=OrderType.LIMIT, quantity=D("-1"), price=D("150.05"),
            position_idx=1, order_link_id="bad id!", slippage_tolerance=D(1), slippage_tolerance_type="TickSize",
            take_profit=D("90.05"), stop_loss=D("110"), tp_order_type=OrderType.LIMIT,
        ),
        [
            (Outcome.NO_SUCH_SYMBOL, {"symbol": NEW}),
            (Outcome.NOT_LIVE, {"symbol": COIN}),
            (Outcome.WRONG_POSITION_IDX, {"position_idx": 0}),
            (Outcome.BAD_LINK_ID, {"order_link_id": "taken"}),
            (Outcome.DUPLICATE_LINK_ID, {"order_link_id": "fresh"}),
            (Outcome.BAD_QUANTITY, {"quantity": D("1000.01")}),
            (Outcome.TOO_LARGE, {"quantity": D("0.01")}),
            (Outcome.BAD_PRICE, {"price": D("150")}),
            (Outcome.PRICE_OUT_OF_RANGE, {"price": D("100")}),
            (Outcome.BAD_SLIPPAGE, {"slippage_tolerance": None}),
            (Outcome.LIMIT_STOP_NOT_PARTIAL, {"tpsl_mode": TpslMode.PARTIAL}),
            (Outcome.BAD_STOP_PRICE, {"tp_limit_price": D("104"), "take_profit": D("90")}),
            (Outcome.STOP_ON_WRONG_SIDE, {"take_profit": D("105"), "stop_loss": D("95")}),
            (Outcome.BELOW_MIN_NOTIONAL, {"quantity": D("500")}),
            (Outcome.NOT_ENOUGH_MARGIN, {"quantity": D("1")}),
        ],
    )  # fmt: skip


def test_a_conditional_order_with_everything_wrong(engine: Engine):
    walk(
        engine,
        OrderRequest(
            symbol=COIN, side=BUY, order_type=OrderType.MARKET, quantity=D("0.001"), trigger_price=D("99.05"),
            trigger_by=TriggerBy.MARK, slippage_tolerance=D(1), slippage_tolerance_type="TickSize", stop_loss=D(110),
        ),
        [
            (Outcome.BAD_QUANTITY, {"quantity": D("0.01")}),
            (Outcome.BAD_TRIGGER_PRICE, {"trigger_price": D("99")}),
            (Outcome.BAD_TRIGGER_DIRECTION, {"trigger_direction": 1}),
            (Outcome.NOT_RISING, {"trigger_price": D("105")}),
            (Outcome.BAD_SLIPPAGE, {"slippage_tolerance": None}),
            (Outcome.STOP_ON_WRONG_SIDE, {"stop_loss": D("104")}),
            (Outcome.BELOW_MIN_NOTIONAL, {"quantity": D("1")}),
        ],
    )  # fmt: skip
    falling = OrderRequest(
        symbol=COIN, side=BUY, order_type=OrderType.MARKET, quantity=D(1), trigger_price=D("101"), trigger_direction=2
    )
    walk(engine, falling, [(Outcome.NOT_FALLING, {"trigger_price": D("95")})])


def test_a_reducing_order_with_everything_wrong():
    scene = Scene()
    scene.market(BUY, "2", symbol=OTHER)
    scene.bar("100", symbol=OTHER)
    walk(
        scene.engine,
        OrderRequest(
            symbol=COIN, side=BUY, order_type=OrderType.LIMIT, quantity=D("0.001"), price=D("97.05"),
            reduce_only=True, stop_loss=D("90"),
        ),
        [
            (Outcome.BAD_QUANTITY, {"quantity": D("1")}),
            (Outcome.NOTHING_TO_REDUCE, {"symbol": OTHER}),
            (Outcome.WOULD_NOT_REDUCE, {"side": SELL}),
            (Outcome.BAD_PRICE, {"price": D("97")}),
            (Outcome.PRICE_OUT_OF_RANGE, {"price": D("103")}),
            (Outcome.STOPS_ON_REDUCE_ONLY, {"stop_loss": None}),
        ],
    )  # fmt: skip


def test_a_market_order_with_everything_wrong(engine: Engine):
    walk(
        engine,
        OrderRequest(
            symbol=COIN, side=BUY, order_type=OrderType.MARKET, quantity=D("500.01"), stop_loss=D(110),
            slippage_tolerance=D("0.5"), slippage_tolerance_type="TickSize",
        ),
        [
            (Outcome.TOO_LARGE, {"quantity": D("0.01")}),
            (Outcome.SLIPPAGE_TICKS_OUT_OF_RANGE, {"slippage_tolerance_type": "Percent", "slippage_tolerance": D(11)}),
            (Outcome.SLIPPAGE_PERCENT_OUT_OF_RANGE, {"slippage_tolerance": D("0.05")}),
            (Outcome.STOP_ON_WRONG_SIDE, {"stop_loss": None}),
            (Outcome.BELOW_MIN_NOTIONAL, {"quantity": D(1)}),
        ],
    )  # fmt: skip


def test_too_many_of_a_kind_come_before_too_little_margin():
    too_large = D(1000)
    scene = Scene(balance="10000")
    scene.market(BUY, "3")
    scene.bar("100")
    for number in range(20):
        scene.trading_stop(tpsl_mode=TpslMode.PARTIAL, take_profit=f"{101 + number}", tp_size="0.1")
    brings_one = OrderRequest(
        symbol=COIN, side=BUY, order_type=OrderType.LIMIT, quantity=too_large, price=D(98), take_profit=D(110),
        tpsl_mode=TpslMode.PARTIAL,
    )  # fmt: skip
    walk(
        scene.engine,
        brings_one,
        [
            (Outcome.TOO_MANY_PARTIAL_STOPS, {"tpsl_mode": TpslMode.FULL}),
            (Outcome.NOT_ENOUGH_MARGIN, {"quantity": D(1)}),
        ],
    )
    for _ in range(499):
        scene.limit(BUY, "0.1", "95")
    assert outcome_of(scene.engine, brings_one) is Outcome.TOO_MANY_ORDERS
    # the stops of a position are none of the 500, and a waiting order has a limit of its own
    waiting = replace(brings_one, trigger_price=D(99), trigger_direction=2, tpsl_mode=TpslMode.FULL, quantity=D(1))
    for number in range(10):
        assert outcome_of(scene.engine, replace(waiting, order_link_id=f"w-{number}")) is Outcome.ACCEPTED
    assert outcome_of(scene.engine, replace(waiting, tpsl_mode=TpslMode.PARTIAL)) is Outcome.TOO_MANY_CONDITIONAL_ORDERS


def test_a_position_larger_than_its_leverage_allows():
    """With tiers of 1,000 and 2,000 USDT, at 100x and 50x, and a price of 100."""
    tiers = RiskTiers((RiskTier(1, D(1000), D(100), D("0.005"), D(0)), RiskTier(2, D(2000), D(50), D("0.01"), D(5))))
    engine = Engine(
        instruments={COIN: instrument(COIN)}, fees={COIN: FeeRates(taker=D(0), maker=D(0))}, seed=1, start=START,
        prices={COIN: D(100)}, risk_tiers={COIN: tiers},
    )  # fmt: skip
    engine.open_account(EngineAccount(uid=UID, balance=D(202)))
    request = OrderRequest(symbol=COIN, side=BUY, order_type=OrderType.MARKET, quantity=D("20.5"))
    walk(
        engine,
        request,
        [(Outcome.NOT_ENOUGH_MARGIN, {"quantity": D("20.01")}), (Outcome.ABOVE_RISK_LIMIT, {"quantity": D(20)})],
    )


def test_the_smallest_quantity():
    """With a step below the minimum, which most instruments do not have."""
    fine = dataclasses.replace(instrument(COIN), quantity_step=D("0.001"))
    engine = Engine(
        instruments={COIN: fine}, fees={COIN: FeeRates(taker=D(0), maker=D(0))}, seed=1, start=START,
        prices={COIN: D(100)},
    )  # fmt: skip
    engine.open_account(EngineAccount(uid=UID, balance=D(1000)))
    walk(
        engine,
        OrderRequest(symbol=COIN, side=BUY, order_type=OrderType.LIMIT, quantity=D("0.001"), price=D("100.05")),
        [
            (Outcome.TOO_SMALL, {"quantity": D("0.01")}),
            (Outcome.BAD_PRICE, {"price": D(100)}),
            (Outcome.BELOW_MIN_NOTIONAL, {"quantity": D(1)}),
        ],
    )


def test_every_outcome_is_walked_past_here():
    """A new outcome needs a place in the walks above."""
    source = Path(__file__).read_text()
    assert [outcome.name for outcome in Outcome if f"Outcome.{outcome.name}" not in source] == []


def refusal(action: Callable[[], object]) -> tuple[int, Outcome | None]:
    with pytest.raises(Refused) as caught:
        action()
    return caught.value.code, caught.value.outcome


def test_a_refusal_of_something_else_has_no_outcome():
    scene = Scene()
    assert refusal(lambda: scene.engine.set_trading_stop(UID, TradingStop(symbol=COIN, stop_loss=Decimal(1)))) == (
        10001,
        None,
    )
