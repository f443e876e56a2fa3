"""What a client asks about its positions between two bars: stops and leverage."""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

from alpha.domain.ids import Symbol
from alpha.domain.order import OrderType
from paper_exchange.engine import acceptance, liquidation, stops
from paper_exchange.engine.account import Account
from paper_exchange.engine.events import PositionState
from paper_exchange.engine.holding import Holding
from paper_exchange.engine.market import Market
from paper_exchange.engine.refusal import Refused
from paper_exchange.engine.requests import TpslMode, TradingStop, TriggerBy
from paper_exchange.engine.stop_kind import StopKind
from paper_exchange.engine.venue import Venue
from paper_exchange.engine.working_order import WorkingOrder


class _Wanted(NamedTuple):
    """One take profit or stop loss as a request wants it. `limit` is the price of a limit order."""

    kind: StopKind
    price: Decimal
    by: TriggerBy | None
    limit: Decimal | None


def set_trading_stop(venue: Venue, uid: int, request: TradingStop) -> PositionState:
    """Set, move or remove stops of a position: all of the request or, with Refused, nothing of it."""
    account = venue.account(uid)
    market = venue.market(request.symbol)
    acceptance.check_position_idx(account, request.symbol, request.position_idx)
    holding = account.holding(market, request.position_idx)
    if holding.quantity == 0:
        raise Refused(acceptance.BAD_PARAMETER, "can not set tp/sl/ts for zero position")
    is_partial = request.tpsl_mode is TpslMode.PARTIAL
    wanted = _wanted_partial(request) if is_partial else _wanted_full(holding, request)
    trailing = _wanted_trailing(holding, request)
    if not wanted and trailing is None:
        raise Refused(acceptance.NOT_MODIFIED, "not modified")
    _check(request, wanted, holding, market)
    if is_partial:
        _add_partial(venue, account, holding, request, wanted)
    else:
        _set_full(venue, account, holding, wanted)
    if trailing is not None:
        _set_trailing(venue, account, holding, *trailing)
    venue.tell_position(account, holding, venue.now)
    return account.position_state(holding, venue.now)


def set_leverage(venue: Venue, uid: int, symbol: Symbol, leverage: Decimal) -> PositionState:
    """Leverage of both sides. Raises Refused when it cannot be, is not new, or the margin does not suffice.

    Nor may it make a position due: more leverage leaves less behind an isolated one (110011; UNCONFIRMED whether Bybit
    gives it or 110046, which says the same).
    """
    account = venue.account(uid)
    market = venue.market(symbol)
    holdings = [account.holding(market, position_idx) for position_idx in account.position_idxs(symbol)]
    highest = min(market.tiers.of(holding.mark_value).max_leverage for holding in holdings)
    if leverage < 1:
        raise Refused(acceptance.BAD_PARAMETER, "params error: leverage invalid")
    if leverage > highest:
        text = f"cannot set leverage [{leverage}] gt maxLeverage [{highest}] by risk limit"
        raise Refused(acceptance.LEVERAGE_TOO_HIGH, text)
    before = holdings[0].leverage
    if leverage == before:
        raise Refused(acceptance.LEVERAGE_NOT_MODIFIED, "leverage not modified")
    _change_leverage(account, market, leverage)
    if leverage < before and account.available() < 0:
        _change_leverage(account, market, before)
        raise Refused(acceptance.MARGIN_FOR_LEVERAGE, "ab not enough for new leverage")
    if liquidation.is_due(account):
        _change_leverage(account, market, before)
        raise Refused(acceptance.WOULD_LIQUIDATE, "liquidation will be triggered immediately by this adjustment")
    for holding in holdings:
        venue.tell_position(account, holding, venue.now)
    return account.position_state(holdings[0], venue.now)


def _change_leverage(account: Account, market: Market, leverage: Decimal) -> None:
    for holding in account.holdings_in(market):
        holding.set_leverage(leverage)
        account.changed(holding)
    for order in account.open_orders.get(market.instrument.symbol, {}).values():
        account.reserve(order)


def _wanted_full(holding: Holding, request: TradingStop) -> list[_Wanted]:
    """Those that change something: another price, none (0), or the price that is watched."""
    found = [
        _Wanted(kind, price, by, None)
        for kind, price, by in (
            (StopKind.TAKE_PROFIT, request.take_profit, request.tp_trigger_by),
            (StopKind.STOP_LOSS, request.stop_loss, request.sl_trigger_by),
        )
        if price is not None
    ]
    return [stop for stop in found if _changes(holding, stop)]


def _changes(holding: Holding, wanted: _Wanted) -> bool:
    order = holding.stops.get(wanted.kind)
    if order is None:
        return wanted.price != 0
    return wanted.price != order.trigger_price or wanted.by not in (None, order.trigger_by)


def _wanted_partial(request: TradingStop) -> list[_Wanted]:
    """What is to be added. A price of 0 is none: a stop of a part of the position is cancelled by its order id."""
    return [
        _Wanted(kind, price, by or TriggerBy.LAST, limit if order_type is OrderType.LIMIT else None)
        for kind, price, by, order_type, limit in (
            (
                StopKind.PARTIAL_TAKE_PROFIT, request.take_profit, request.tp_trigger_by,
                request.tp_order_type, request.tp_limit_price,
            ),
            (
                StopKind.PARTIAL_STOP_LOSS, request.stop_loss, request.sl_trigger_by,
                request.sl_order_type, request.sl_limit_price,
            ),
        )
        if price
    ]  # fmt: skip


def _check(request: TradingStop, wanted: list[_Wanted], holding: Holding, market: Market) -> None:
    acceptance.check_stop_orders(
        request.tpsl_mode,
        (request.tp_order_type, request.tp_limit_price, request.take_profit),
        (request.sl_order_type, request.sl_limit_price, request.stop_loss),
        market,
    )
    takes = {stop.kind.takes_profit: stop for stop in wanted if stop.price != 0}
    take_profit, stop_loss = takes.get(True), takes.get(False)
    tp_by = _watched_by(holding, take_profit)
    sl_by = _watched_by(holding, stop_loss)
    acceptance.check_stop_prices(
        take_profit=None if take_profit is None else take_profit.price,
        stop_loss=None if stop_loss is None else stop_loss.price,
        direction=holding.direction,
        tp_base=acceptance.watched_price(market, tp_by),
        sl_base=acceptance.watched_price(market, sl_by),
        market=market,
        tp_by=tp_by,
        sl_by=sl_by,
    )
    if request.tpsl_mode is TpslMode.PARTIAL and wanted:
        _check_sizes(request, wanted, holding, market)


def _watched_by(holding: Holding, wanted: _Wanted | None) -> TriggerBy:
    """The price a stop will watch: as asked, else as it does now, else the last price."""
    if wanted is None:
        return TriggerBy.LAST
    if wanted.by is not None:
        return wanted.by
    order = holding.stops.get(wanted.kind)
    return TriggerBy.LAST if order is None else order.trigger_by


def _check_sizes(request: TradingStop, wanted: list[_Wanted], holding: Holding, market: Market) -> None:
    acceptance.check_partial_stops(holding)
    sizes = {_size(request, stop.kind, holding) for stop in wanted}
    if len(sizes) > 1:
        raise Refused(acceptance.BAD_PARAMETER, "params error: tpSize must equal slSize")
    for stop in wanted:
        size = _size(request, stop.kind, holding)
        if size <= 0 or not market.instrument.is_on_step(size):
            raise Refused(acceptance.BAD_PARAMETER, "params error: tpSize or slSize invalid")
        acceptance.check_partial_size(holding, stop.kind, size)


def _size(request: TradingStop, kind: StopKind, holding: Holding) -> Decimal:
    size = request.tp_size if kind.takes_profit else request.sl_size
    return holding.size if size is None else size


def _set_full(venue: Venue, account: Account, holding: Holding, wanted: list[_Wanted]) -> None:
    """Those set in one request are a pair."""
    made: list[WorkingOrder] = []
    for kind, price, by, _ in wanted:
        if price == 0:
            stops.remove_alone(venue, account, holding, holding.stops[kind], venue.now)
        else:
            made.append(stops.set_level(venue, account, holding, kind, price, venue.now, by=by))
    if len(made) > 1:
        stops.bind(*made)


def _add_partial(venue: Venue, account: Account, holding: Holding, request: TradingStop, wanted: list[_Wanted]) -> None:
    made = [
        stops.add_partial(
            venue, account, holding, kind, price, venue.now,
            by=by or TriggerBy.LAST, quantity=_size(request, kind, holding), limit=limit,
        )
        for kind, price, by, limit in wanted
    ]  # fmt: skip
    if len(made) > 1:
        stops.bind(*made)


def _wanted_trailing(holding: Holding, request: TradingStop) -> tuple[Decimal, Decimal | None] | None:
    """Distance and activation as they shall be, None when nothing about them changes. Raises Refused for bad values."""
    if request.trailing_stop is None and request.active_price is None:
        return None
    present = holding.trailing
    if request.trailing_stop is not None:
        distance = request.trailing_stop
    elif present is not None:
        distance = present.distance
    else:
        raise Refused(acceptance.BAD_PARAMETER, "params error: activePrice needs trailingStop")
    instrument = holding.market.instrument
    if distance < 0 or not instrument.is_on_tick(distance) or distance >= holding.market.last_price:
        raise Refused(acceptance.BAD_PARAMETER, "params error: TrailingStop invalid")
    if distance == 0:
        return None if present is None else (distance, None)
    active_price = request.active_price or None
    if active_price is None and request.active_price is None and present is not None:
        active_price = present.active_price
    if active_price is not None and (active_price <= 0 or not instrument.is_on_tick(active_price)):
        raise Refused(acceptance.BAD_PARAMETER, "params error: ActivePrice invalid")
    if present is not None and (present.distance, present.active_price) == (distance, active_price):
        return None
    return distance, active_price


def _set_trailing(
    venue: Venue, account: Account, holding: Holding, distance: Decimal, active_price: Decimal | None
) -> None:
    if distance == 0:
        stops.remove_alone(venue, account, holding, holding.stops[StopKind.TRAILING_STOP], venue.now)
    else:
        stops.set_trailing(venue, account, holding, distance, active_price, venue.now)
