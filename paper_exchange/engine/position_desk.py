"""What a client asks about its positions between two bars: stops and leverage."""

from __future__ import annotations

from decimal import Decimal

from alpha.domain.ids import Symbol
from paper_exchange.engine import acceptance, stops
from paper_exchange.engine.account import Account
from paper_exchange.engine.events import PositionState
from paper_exchange.engine.holding import Holding, StopKind
from paper_exchange.engine.refusal import Refused
from paper_exchange.engine.requests import TradingStop
from paper_exchange.engine.venue import Venue, position_state


def set_trading_stop(venue: Venue, uid: int, request: TradingStop) -> PositionState:
    """Set, move or remove stops of a position: all of the request or, with Refused, nothing of it."""
    account = venue.account(uid)
    market = venue.market(request.symbol)
    acceptance.check_position_idx(request.position_idx)
    holding = account.holding(market)
    if holding.quantity == 0:
        raise Refused(acceptance.BAD_PARAMETER, "can not set tp/sl/ts for zero position")
    levels = {
        kind: price
        for kind, price in ((StopKind.TAKE_PROFIT, request.take_profit), (StopKind.STOP_LOSS, request.stop_loss))
        if price is not None and price != _level(holding, kind)
    }
    trailing = _wanted_trailing(holding, request)
    if not levels and trailing is None:
        raise Refused(acceptance.NOT_MODIFIED, "not modified")
    acceptance.check_stop_prices(
        take_profit=levels.get(StopKind.TAKE_PROFIT) or None,
        stop_loss=levels.get(StopKind.STOP_LOSS) or None,
        direction=holding.direction,
        base=market.last_price,
        market=market,
    )
    for kind, price in levels.items():
        if price == 0:
            stops.remove(venue, account, holding, kind, venue.now)
        else:
            stops.set_level(venue, account, holding, kind, price, venue.now)
    if trailing is not None:
        _set_trailing(venue, account, holding, *trailing)
    venue.tell_position(account, holding, venue.now)
    return position_state(account, holding, venue.now)


def set_leverage(venue: Venue, uid: int, symbol: Symbol, leverage: Decimal) -> PositionState:
    """Leverage of both sides. Raises Refused when it cannot be, is not new, or the margin does not suffice."""
    account = venue.account(uid)
    market = venue.market(symbol)
    holding = account.holding(market)
    highest = market.instrument.max_leverage
    if leverage < 1:
        raise Refused(acceptance.BAD_PARAMETER, "params error: leverage invalid")
    if leverage > highest:
        text = f"cannot set leverage [{leverage}] gt maxLeverage [{highest}] by risk limit"
        raise Refused(acceptance.LEVERAGE_TOO_HIGH, text)
    before = holding.leverage
    if leverage == before:
        raise Refused(acceptance.LEVERAGE_NOT_MODIFIED, "leverage not modified")
    _change_leverage(account, holding, leverage)
    if leverage < before and account.available() < 0:
        _change_leverage(account, holding, before)
        raise Refused(acceptance.MARGIN_FOR_LEVERAGE, "ab not enough for new leverage")
    venue.tell_position(account, holding, venue.now)
    return position_state(account, holding, venue.now)


def _change_leverage(account: Account, holding: Holding, leverage: Decimal) -> None:
    holding.leverage = leverage
    for order in account.open_orders.get(holding.symbol, {}).values():
        account.reserve(order)


def _level(holding: Holding, kind: StopKind) -> Decimal:
    """The stop's price now, 0 when there is none: asking for 0 then changes nothing."""
    order = holding.stops.get(kind)
    return Decimal(0) if order is None or order.trigger_price is None else order.trigger_price


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
        stops.remove(venue, account, holding, StopKind.TRAILING_STOP, venue.now)
    else:
        stops.set_trailing(venue, account, holding, distance, active_price, venue.now)
