"""Random lives of two accounts on two symbols: requests between bars, and the bars."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st
from msgspec.structs import replace

from alpha.domain.bar import Bar
from alpha.domain.ids import Symbol
from alpha.domain.order import OrderType, TimeInForce
from alpha.domain.side import Side
from paper_exchange.engine import (
    Engine,
    EngineAccount,
    Event,
    OrderRequest,
    Refused,
    TpslMode,
    TradingStop,
    TriggerBy,
)
from paper_exchange.engine.requests import MarginMode, PositionMode
from tests.unit.engine.scene import COIN, FIVE_MINUTES, OTHER, Scene

UIDS = (1, 2)
SYMBOLS = (COIN, OTHER)


@dataclass(frozen=True)
class Turn:
    """What is asked before a bar (orders in any order; then stops, cancels and leverage in this order) and the bar."""

    orders: tuple[tuple[int, OrderRequest], ...]
    others: tuple[tuple[str, int, Symbol, Any], ...]
    prices: dict[Symbol, tuple[Decimal, Decimal, Decimal, Decimal]]
    volume: Decimal
    funding: dict[Symbol, Decimal]
    mark_basis: Decimal


@dataclass
class Life:
    """An engine after a script, and everything it told by the way."""

    engine: Engine
    events: list[Event] = field(default_factory=list)
    told_by_turn: list[list[Event]] = field(default_factory=list)


def tenths(low: int, high: int) -> st.SearchStrategy[Decimal]:
    return st.integers(low * 10, high * 10).map(lambda ticks: Decimal(ticks) / 10)


quantities = st.integers(1, 3000).map(lambda steps: Decimal(steps) / 100)
# prices of requests are written as distances from the last price, so that most of them are possible
limit_prices = tenths(-4, 1)
maybe_price = st.none() | tenths(0, 6)


@st.composite
def order_requests(draw: st.DrawFn, name: str) -> OrderRequest:
    is_market = draw(st.booleans())
    reduce_only = draw(st.integers(0, 3)) == 0
    with_stops = not reduce_only and draw(st.booleans())
    # where a conditional order triggers, as a distance from the last price
    trigger = draw(tenths(-6, 6)) if draw(st.integers(0, 3)) == 0 else None
    is_partial = draw(st.booleans())
    limits = is_partial and draw(st.booleans())
    return OrderRequest(
        symbol=draw(st.sampled_from(SYMBOLS)),
        side=draw(st.sampled_from(Side)),
        order_type=OrderType.MARKET if is_market else OrderType.LIMIT,
        quantity=draw(quantities),
        price=None if is_market else draw(limit_prices),
        time_in_force=draw(st.sampled_from(TimeInForce)),
        order_link_id=name if draw(st.booleans()) else "",
        reduce_only=reduce_only,
        take_profit=draw(maybe_price) if with_stops else None,
        stop_loss=draw(maybe_price) if with_stops else None,
        trigger_price=trigger,
        trigger_direction=0 if trigger is None else 1 if trigger > 0 else 2,
        trigger_by=draw(st.sampled_from(TriggerBy)),
        tpsl_mode=TpslMode.PARTIAL if is_partial else TpslMode.FULL,
        tp_trigger_by=draw(st.sampled_from(TriggerBy)),
        tp_order_type=OrderType.LIMIT if limits else OrderType.MARKET,
        tp_limit_price=draw(limit_prices) if limits else None,
        sl_order_type=OrderType.LIMIT if limits else OrderType.MARKET,
        sl_limit_price=draw(limit_prices) if limits else None,
    )


@st.composite
def other_requests(draw: st.DrawFn) -> tuple[str, int, Symbol, Any]:
    kind = draw(st.sampled_from(["stops", "stops", "cancel", "cancel_all", "amend", "leverage", "trade"]))
    detail: Any = draw(st.integers(0, 5))
    if kind == "stops":
        detail = TradingStop(
            symbol=COIN,
            take_profit=draw(maybe_price),
            stop_loss=draw(maybe_price),
            trailing_stop=draw(st.none() | tenths(0, 5)),
            active_price=draw(maybe_price),
            tpsl_mode=draw(st.sampled_from(TpslMode)),
            sl_trigger_by=draw(st.none() | st.sampled_from(TriggerBy)),
            tp_size=(size := draw(st.none() | st.integers(1, 200).map(lambda steps: Decimal(steps) / 100))),
            sl_size=size,
        )
    elif kind == "amend":
        detail = (
            draw(st.integers(0, 5)), draw(st.none() | quantities), draw(st.none() | limit_prices),
            draw(st.none() | tenths(-6, 6)), draw(maybe_price),
        )  # fmt: skip
    elif kind == "trade":
        detail = (draw(st.sampled_from(Side)), draw(quantities), draw(st.booleans()))
    elif kind == "leverage":
        detail = draw(st.sampled_from([Decimal(1), Decimal(3), Decimal(20), Decimal(100)]))
    return kind, draw(st.sampled_from(UIDS)), COIN if kind == "stops" else draw(st.sampled_from(SYMBOLS)), detail


@st.composite
def bar_prices(draw: st.DrawFn) -> tuple[Decimal, Decimal, Decimal, Decimal]:
    low, high = sorted((draw(tenths(90, 110)), draw(tenths(90, 110))))
    inside = tenths(90, 110).map(lambda price: min(max(price, low), high))
    return draw(inside), high, low, draw(inside)


@st.composite
def scripts(draw: st.DrawFn, turns: int = 8) -> list[Turn]:
    script = []
    for number in range(draw(st.integers(3, turns))):
        count = draw(st.integers(0, 3))
        script.append(
            Turn(
                orders=tuple(
                    (draw(st.sampled_from(UIDS)), draw(order_requests(f"o-{number}-{index}"))) for index in range(count)
                ),
                others=tuple(draw(st.lists(other_requests(), max_size=2))),
                prices={symbol: draw(bar_prices()) for symbol in SYMBOLS},
                volume=Decimal(draw(st.sampled_from([0, 500, 2000, 100000]))),
                funding={symbol: draw(st.sampled_from([Decimal(0), Decimal("0.0003"), Decimal("-0.001")]))
                         for symbol in SYMBOLS if draw(st.booleans())},
                mark_basis=draw(st.sampled_from([Decimal(0), Decimal("0.5"), Decimal("-1.2")])),
            )
        )  # fmt: skip
    return script


def live(
    script: list[Turn],
    *,
    seed: int = 7,
    balance: str = "500",
    reverse_orders: bool = False,
    position_mode: PositionMode = "one_way",
    margin_mode: MarginMode = "cross",
    insurance: Decimal | None = None,
    each_turn: Callable[[Engine], None] | None = None,
) -> Life:
    """Run a script from the start. Refusals are part of life. The modes are those of both accounts.

    `each_turn` is called with the engine before and after every bar.
    """
    engine = Scene(seed=seed, uids=(), insurance=insurance).engine
    for uid in UIDS:
        account = EngineAccount(uid=uid, balance=Decimal(balance), position_mode=position_mode, margin_mode=margin_mode)
        engine.open_account(account)
    life = Life(engine)
    for turn in script:
        for uid, request in reversed(turn.orders) if reverse_orders else turn.orders:
            try:
                engine.place_order(uid, _around_the_price(engine, uid, request))
            except Refused:
                continue
        for kind, uid, symbol, detail in turn.others:
            try:
                _ask(engine, kind, uid, symbol, detail)
            except Refused:
                continue
        if each_turn is not None:
            each_turn(engine)
        bars = {symbol: _bar(engine, symbol, turn) for symbol in SYMBOLS}
        marks = {symbol: bar.close + turn.mark_basis for symbol, bar in bars.items()} if turn.mark_basis else None
        engine.step(bars, marks=marks, funding=turn.funding)
        if each_turn is not None:
            each_turn(engine)
        told = engine.take_events()
        life.told_by_turn.append(told)
        life.events.extend(told)
    return life


def _ask(engine: Engine, kind: str, uid: int, symbol: Symbol, detail: Any) -> None:
    if kind == "stops":
        engine.set_trading_stop(uid, _stops_around_the_price(engine, uid, detail))
    elif kind == "leverage":
        engine.set_leverage(uid, symbol, detail)
    elif kind == "trade":
        side, quantity, reduce_only = detail
        request = OrderRequest(
            symbol=symbol, side=side, order_type=OrderType.MARKET, quantity=quantity, reduce_only=reduce_only
        )
        engine.trade_now(uid, replace(request, position_idx=_position_idx(engine, uid, request)))
    elif kind == "cancel_all":
        engine.cancel_all(uid, symbol, include_stops=detail > 2)
    else:
        which = detail[0] if kind == "amend" else detail
        open_orders = sorted(engine.orders(uid, symbol), key=lambda order: order.order_id)
        if which >= len(open_orders):
            return
        order = open_orders[which]
        if kind == "cancel":
            engine.cancel_order(uid, symbol, order.order_id)
        else:
            _, quantity, limit, trigger, take_profit = detail
            last, sign = _price(engine, symbol), order.side.sign
            engine.amend_order(
                uid, symbol, order_id=order.order_id, quantity=quantity,
                price=None if limit is None else last + sign * limit,
                trigger_price=None if trigger is None else last + trigger,
                take_profit=None if take_profit is None else last + sign * take_profit,
            )  # fmt: skip


def _around_the_price(engine: Engine, uid: int, request: OrderRequest) -> OrderRequest:
    side, last = request.side, _price(engine, request.symbol)
    position_idx = _position_idx(engine, uid, request)
    held = engine.position(uid, request.symbol, position_idx).side
    if request.reduce_only and held is not None:
        side = held.opposite
    price = None if request.price is None else last + side.sign * request.price
    trigger = None if request.trigger_price is None else last + request.trigger_price
    if trigger is not None and price is not None:
        price += trigger - last
    base = price or trigger or last
    return replace(
        request,
        side=side,
        price=price,
        position_idx=position_idx,
        trigger_price=trigger,
        take_profit=None if request.take_profit is None else base + side.sign * request.take_profit,
        stop_loss=None if request.stop_loss is None else base - side.sign * request.stop_loss,
        tp_limit_price=None if request.tp_limit_price is None else base + request.tp_limit_price,
        sl_limit_price=None if request.sl_limit_price is None else base + request.sl_limit_price,
    )


def _stops_around_the_price(engine: Engine, uid: int, stops: TradingStop) -> TradingStop:
    """A distance of 0 stays 0, which removes the stop."""
    position_idx = 1 if engine.is_hedge(uid, stops.symbol) else 0
    held, last = engine.position(uid, stops.symbol, position_idx).side, _price(engine, stops.symbol)
    sign = 1 if held is None else held.sign
    return replace(
        stops,
        position_idx=position_idx,
        take_profit=last + sign * stops.take_profit if stops.take_profit else stops.take_profit,
        stop_loss=last - sign * stops.stop_loss if stops.stop_loss else stops.stop_loss,
        active_price=last + sign * stops.active_price if stops.active_price else stops.active_price,
    )


def _position_idx(engine: Engine, uid: int, request: OrderRequest) -> int:
    """In hedge mode what opens goes to the position of its side, what reduces to the other."""
    if not engine.is_hedge(uid, request.symbol):
        return 0
    is_long = (request.side is Side.BUY) != request.reduce_only
    return 1 if is_long else 2


def _price(engine: Engine, symbol: Symbol) -> Decimal:
    price = engine.last_price(symbol)
    assert price is not None
    return price


def _bar(engine: Engine, symbol: Symbol, turn: Turn) -> Bar:
    open_, high, low, close = turn.prices[symbol]
    return Bar(
        symbol=symbol, interval=FIVE_MINUTES, start=engine.now, open=open_, high=high, low=low, close=close,
        volume=turn.volume, turnover=turn.volume * open_,
    )  # fmt: skip
