"""Whether a request may pass. Which refusal wins when several apply is told by the order of `Outcome`.

Choices where Bybit's behaviour is UNCONFIRMED:

- an orderLinkId is unique for the account for ever, not only among open orders;
- values off the step or tick are refused with 10001, not truncated;
- reduce-only orders need no minimum notional and may exceed the maximum quantity: they are cut to the position, also
  when they are amended;
- a conditional order that only reduces needs no position yet: it is cut to the position when it triggers;
- the limit price of a conditional order is held against its trigger price, as if the market were there already;
- a stop is compared with the limit price of a limit order, with the trigger price of a conditional market order, else
  with the last price.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from alpha.domain.ids import Symbol
from alpha.domain.order import OrderType
from alpha.domain.order_link_id import is_valid_order_link_id
from alpha.domain.side import Side
from paper_exchange.engine.account import Account
from paper_exchange.engine.holding import Holding
from paper_exchange.engine.market import Market
from paper_exchange.engine.members import BUY, MARKET
from paper_exchange.engine.money import ZERO
from paper_exchange.engine.outcome import Outcome
from paper_exchange.engine.price_limits import highest_buy, lowest_sell
from paper_exchange.engine.refusal import Refused
from paper_exchange.engine.requests import OrderRequest, TpslMode, TriggerBy
from paper_exchange.engine.stop_kind import StopKind
from paper_exchange.engine.working_order import WorkingOrder

BAD_PARAMETER: Final = 10001
NOT_MODIFIED: Final = 34040
NO_SUCH_ORDER: Final = 110001
WOULD_LIQUIDATE: Final = 110011
MARGIN_FOR_LEVERAGE: Final = 110012
LEVERAGE_TOO_HIGH: Final = 110013
LEVERAGE_NOT_MODIFIED: Final = 110043
NO_SIZE_LEFT_FOR_STOPS: Final = 110058
STOPS_OF_PARTLY_FILLED: Final = 110059
FULL_STOP_FOLLOWS_POSITION: Final = 110060
AMENDED_BELOW_FILLED: Final = 110064

MAX_ACTIVE_ORDERS: Final = 500
MAX_CONDITIONAL_ORDERS: Final = 10
MAX_PARTIAL_STOPS: Final = 20

_QUANTITY_UNIT: Final = 10**8
_PRICE_UNIT: Final = 10**4
_MAX_TICKS: Final = 10_000
_MIN_PERCENT: Final = Decimal("0.01")
_MAX_PERCENT: Final = Decimal(10)
_PERCENT_STEP: Final = Decimal("0.01")
_RISE: Final = 1
_FALL: Final = 2


def accepted_quantity(account: Account, order: WorkingOrder) -> Decimal:
    """The quantity that a new order will have, of what it asks for. All but its margin is asked here, in the order of
    `Outcome`. Raises Refused.
    """
    holding, side, closes = order.holding, order.side, order.closes
    market = holding.market
    quantity, trigger_price = order.quantity, order.trigger_price
    if not quantity and order.request.reduce_only and order.request.close_on_trigger:
        quantity = holding.closable(side)
    elif quantity <= ZERO or quantity % market.instrument.quantity_step:
        raise Outcome.BAD_QUANTITY.refused()
    if closes and (trigger_price is None or not quantity):
        quantity = closing_quantity(quantity, side, market, holding)
    else:
        check_quantity_limits(quantity, order.order_type, market)
    # the price at which the order would be filled as far as is known: its limit, its trigger, or the last price
    reference = market.last_price
    if trigger_price is not None:
        check_trigger(trigger_price, order.request.trigger_direction, order.trigger_by, market)
        reference = trigger_price
    if order.order_type is not MARKET:
        if order.price is None:
            raise Outcome.BAD_PRICE.refused()
        check_limit_price(order.price, side, market, trigger_price)
        reference = order.price
    tolerance = order.request.slippage_tolerance
    if tolerance is not None:
        _check_slippage(order.request, tolerance)
    if order.takes_stops:
        if closes:
            raise Outcome.STOPS_ON_REDUCE_ONLY.refused()
        check_attached_stops(order.request, side, reference, market)
    if not closes:
        check_notional(reference, quantity, market)
    _check_counts(trigger_price is not None, account.open_orders[order.symbol])
    if order.takes_stops and order.request.tpsl_mode is TpslMode.PARTIAL:
        check_partial_stops(holding)
    return quantity


def check_position_idx(account: Account, symbol: Symbol, position_idx: int) -> None:
    """0 in one-way mode, 1 (long) or 2 (short) in hedge mode."""
    if position_idx not in account.position_idxs(symbol):
        raise Outcome.WRONG_POSITION_IDX.refused()


def check_link_id(account: Account, order_link_id: str) -> None:
    if not order_link_id:
        return
    if not is_valid_order_link_id(order_link_id):
        raise Outcome.BAD_LINK_ID.refused()
    if order_link_id in account.by_link_id:
        raise Outcome.DUPLICATE_LINK_ID.refused()


def check_market(market: Market) -> None:
    if not market.has_price:
        raise Outcome.NOT_LIVE.refused(symbol=market.symbol)


def check_quantity_limits(quantity: Decimal, order_type: OrderType, market: Market) -> None:
    instrument = market.instrument
    if quantity < instrument.min_quantity:
        raise _size_refused(Outcome.TOO_SMALL, quantity, instrument.min_quantity)
    limit = instrument.max_market_quantity if order_type is MARKET else instrument.max_limit_quantity
    if quantity > limit:
        raise _size_refused(Outcome.TOO_LARGE, quantity, limit)


def check_limit_price(price: Decimal, side: Side, market: Market, trigger_price: Decimal | None = None) -> None:
    """A buy far above the market, a sell far below it, or a price the instrument does not have."""
    instrument = market.instrument
    if price <= 0 or not instrument.is_on_tick(price):
        raise Outcome.BAD_PRICE.refused()
    is_buy = side is BUY
    too_far = price > highest_buy(market, trigger_price) if is_buy else price < lowest_sell(market, trigger_price)
    if too_far or not instrument.min_price <= price <= instrument.max_price:
        raise Outcome.PRICE_OUT_OF_RANGE.refused()


def check_notional(price: Decimal, quantity: Decimal, market: Market) -> None:
    instrument = market.instrument
    if price * quantity < instrument.min_notional:
        raise Outcome.BELOW_MIN_NOTIONAL.refused(limit=instrument.min_notional, coin=instrument.quote)


def check_trigger(price: Decimal, direction: int, by: TriggerBy, market: Market) -> None:
    """On a tick, and still ahead of the price it watches."""
    if price <= 0 or not market.instrument.is_on_tick(price):
        raise Outcome.BAD_TRIGGER_PRICE.refused()
    current = watched_price(market, by)
    if direction == _RISE:
        if price <= current:
            raise Outcome.NOT_RISING.refused(price=_raw_price(price), current=_raw_price(current), by=by.value)
    elif direction == _FALL:
        if price >= current:
            raise Outcome.NOT_FALLING.refused(price=_raw_price(price), current=_raw_price(current), by=by.value)
    else:
        raise Outcome.BAD_TRIGGER_DIRECTION.refused()


def check_attached_stops(request: OrderRequest, side: Side, reference: Decimal, market: Market) -> None:
    """Take profit and stop loss that an order brings along."""
    check_stop_orders(
        request.tpsl_mode,
        (request.tp_order_type, request.tp_limit_price, request.take_profit),
        (request.sl_order_type, request.sl_limit_price, request.stop_loss),
        market,
    )
    check_stop_prices(
        take_profit=request.take_profit,
        stop_loss=request.stop_loss,
        direction=side.sign,
        tp_base=reference,
        sl_base=reference,
        market=market,
    )


def check_stop_orders(
    mode: TpslMode,
    take_profit: tuple[OrderType, Decimal | None, Decimal | None],
    stop_loss: tuple[OrderType, Decimal | None, Decimal | None],
    market: Market,
) -> None:
    """Limit stops are for mode Partial and need a limit price. Each is given as type, limit price and trigger price."""
    for name, (order_type, limit_price, price) in (("TpLimitPrice", take_profit), ("SlLimitPrice", stop_loss)):
        if order_type is not OrderType.LIMIT or not price:
            continue
        if mode is not TpslMode.PARTIAL:
            raise Outcome.LIMIT_STOP_NOT_PARTIAL.refused()
        if limit_price is None or limit_price <= 0 or not market.instrument.is_on_tick(limit_price):
            raise Outcome.BAD_STOP_PRICE.refused(name=name)


def check_stop_prices(
    *,
    take_profit: Decimal | None,
    stop_loss: Decimal | None,
    direction: int,
    tp_base: Decimal,
    sl_base: Decimal,
    market: Market,
    tp_by: TriggerBy = TriggerBy.LAST,
    sl_by: TriggerBy = TriggerBy.LAST,
) -> None:
    """Both on a tick and on their side of the base price: a take profit ahead of the position, a stop loss behind."""
    stops = (
        ("TakeProfit", take_profit, direction, tp_base, tp_by),
        ("StopLoss", stop_loss, -direction, sl_base, sl_by),
    )
    for name, price, _, _, _ in stops:
        if price is not None and (price <= 0 or not market.instrument.is_on_tick(price)):
            raise Outcome.BAD_STOP_PRICE.refused(name=name)
    for name, price, way, base, by in stops:
        if price is not None and way * (price - base) <= 0:
            raise Outcome.STOP_ON_WRONG_SIDE.refused(
                name=name,
                price=_raw_price(price),
                side="Buy" if direction > 0 else "Sell",
                relation="higher" if way > 0 else "lower",
                base=_raw_price(base),
                by=by.value,
            )


def check_means(account: Account, order: WorkingOrder) -> None:
    """Whether the account can pay for the order, and the position may become so large."""
    if not account.can_carry(order):
        raise Outcome.NOT_ENOUGH_MARGIN.refused()
    holding = order.holding
    if not holding.has_room(order):
        limit, coin = holding.largest_value.normalize(), holding.market.instrument.quote
        raise Outcome.ABOVE_RISK_LIMIT.refused(limit=limit, coin=coin, leverage=holding.leverage)


def watched_price(market: Market, by: TriggerBy) -> Decimal:
    """What the price that a trigger watches is now."""
    if by is TriggerBy.LAST:
        return market.last_price
    return market.mark_price if by is TriggerBy.MARK else market.index_price


def closing_quantity(quantity: Decimal, side: Side, market: Market, holding: Holding) -> Decimal:
    """What an order that only reduces can be of what is asked: no more than the position. Raises Refused."""
    if not holding.quantity:
        raise Outcome.NOTHING_TO_REDUCE.refused()
    closable = holding.closable(side)
    if not closable:
        raise Outcome.WOULD_NOT_REDUCE.refused()
    quantity = min(quantity, closable)
    smallest = market.instrument.min_quantity
    if quantity < smallest and quantity != closable:
        raise _size_refused(Outcome.TOO_SMALL, quantity, smallest)
    return quantity


def _check_slippage(request: OrderRequest, tolerance: Decimal) -> None:
    if request.order_type is not MARKET or request.trigger_price is not None:
        raise Outcome.BAD_SLIPPAGE.refused()
    if request.slippage_tolerance_type == "TickSize":
        if not 1 <= tolerance <= _MAX_TICKS or tolerance % 1 != 0:
            raise Outcome.SLIPPAGE_TICKS_OUT_OF_RANGE.refused()
    elif request.slippage_tolerance_type == "Percent":
        if not _MIN_PERCENT <= tolerance <= _MAX_PERCENT or tolerance % _PERCENT_STEP != 0:
            raise Outcome.SLIPPAGE_PERCENT_OUT_OF_RANGE.refused()
    else:
        raise Outcome.BAD_SLIPPAGE.refused()


def _check_counts(is_conditional: bool, open_orders: Mapping[str, WorkingOrder]) -> None:
    """How many orders of each kind an account may have open in one symbol."""
    if is_conditional:
        waiting = sum(order.is_untriggered and not order.is_position_stop for order in open_orders.values())
        if waiting >= MAX_CONDITIONAL_ORDERS:
            raise Outcome.TOO_MANY_CONDITIONAL_ORDERS.refused(limit=MAX_CONDITIONAL_ORDERS)
    elif len(open_orders) >= MAX_ACTIVE_ORDERS:
        active = sum(not order.is_untriggered for order in open_orders.values())
        if active >= MAX_ACTIVE_ORDERS:
            raise Outcome.TOO_MANY_ORDERS.refused(limit=MAX_ACTIVE_ORDERS)


def check_partial_stops(holding: Holding) -> None:
    """Whether one more pair of stops in mode Partial has room: 20 of them, a pair counting as two."""
    if len(holding.partial_stops) >= MAX_PARTIAL_STOPS:
        raise Outcome.TOO_MANY_PARTIAL_STOPS.refused(limit=MAX_PARTIAL_STOPS)


def check_partial_size(holding: Holding, kind: StopKind, added: Decimal) -> None:
    """Whether stops of this kind in mode Partial still leave `added` of the position uncovered."""
    covered = sum((order.quantity for order in holding.partial_stops.values() if order.stop_order_type == kind), ZERO)
    if covered + added > holding.size:
        text = "You can't set take profit and stop loss due to insufficient size of remaining position size."
        raise Refused(NO_SIZE_LEFT_FOR_STOPS, text)


def _size_refused(outcome: Outcome, quantity: Decimal, limit: Decimal) -> Refused:
    """Quantities in 1e-8, as Bybit's matching engine writes them into messages."""
    return outcome.refused(quantity=int(quantity * _QUANTITY_UNIT), limit=int(limit * _QUANTITY_UNIT))


def _raw_price(value: Decimal) -> int:
    """Prices in 1e-4, as Bybit's matching engine writes them into messages."""
    return int(value * _PRICE_UNIT)
