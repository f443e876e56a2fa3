"""Positions: https://bybit-exchange.github.io/docs/v5/position and the pages beside it."""

from __future__ import annotations

from collections.abc import Mapping

from alpha.domain.order import OrderType
from paper_exchange.accounts import ExchangeAccount
from paper_exchange.engine import PositionState, Refused, TpslMode, TradingStop, TriggerBy
from paper_exchange.engine.requests import PositionMode
from paper_exchange.server.exchange import Exchange
from paper_exchange.server.paging import Place, page
from paper_exchange.server.params import BAD_PARAMETER, Params, invalid
from paper_exchange.server.render_account import SETTLE_COIN
from paper_exchange.server.render_positions import position_list, rest_position
from paper_exchange.server.routes import PrivateRoute, Result, Route
from paper_exchange.state import SetLeverage, SetPositionMode, SetTradingStop

_MODES: Mapping[str, PositionMode] = {"0": "one_way", "3": "hedge"}


def positions(exchange: Exchange, account: ExchangeAccount, params: Params) -> Result:
    """With a symbol its position, also when flat (both of them in hedge mode); with a settle coin all that are open."""
    category = params.text("category")
    if category in ("inverse", "option") and params.optional("symbol") is None:
        # Clients that watch all positions ask for these as well: there are none, and that is no error.
        return {"category": category, "nextPageCursor": "", "list": []}
    params.linear()
    limit = params.limit(default=20, highest=200)
    symbol = params.optional("symbol")
    if symbol is not None:
        name = exchange.listing(symbol).symbol
        indexes = (1, 2) if exchange.engine.is_hedge(account.uid, name) else (0,)
        found = [exchange.engine.position(account.uid, name, index) for index in indexes]
    elif params.optional("settleCoin") is None:
        raise Refused(BAD_PARAMETER, "params error: symbol or settleCoin is required")
    else:
        is_ours = params.text("settleCoin") == SETTLE_COIN
        found = [position for position in exchange.engine.positions(account.uid) if is_ours and position.side]

    def place(position: PositionState) -> Place:
        # Pages are given from the highest place down, and the long side comes before the short one.
        return Place(exchange.listings[position.symbol].symbol_id, -position.position_idx)

    shown, cursor = page(found, place, params, limit)
    rows = [rest_position(position) for position in shown]
    return position_list(rows, cursor)


def set_leverage(exchange: Exchange, account: ExchangeAccount, params: Params) -> Result:
    params.linear()
    symbol = exchange.listing(params.text("symbol")).symbol
    buy, sell = params.required_number("buyLeverage"), params.required_number("sellLeverage")
    if buy != sell:
        raise Refused(BAD_PARAMETER, "params error: buyLeverage must equal sellLeverage")
    exchange.accept(SetLeverage(uid=account.uid, symbol=symbol, leverage=buy))
    return {}


def switch_mode(exchange: Exchange, account: ExchangeAccount, params: Params) -> Result:
    """By coin it switches every symbol that has neither positions nor orders."""
    params.linear()
    name, coin = params.optional("symbol"), params.optional("coin")
    if name is None and coin is None:
        raise Refused(BAD_PARAMETER, "params error: symbol or coin is required")
    if name is None and coin != SETTLE_COIN:
        raise invalid("coin")
    mode = _MODES.get(params.text("mode"))
    if mode is None:
        raise invalid("mode")
    symbol = None if name is None else exchange.listing(name).symbol
    exchange.accept(SetPositionMode(uid=account.uid, mode=mode, symbol=symbol))
    return {}


def trading_stop(exchange: Exchange, account: ExchangeAccount, params: Params) -> Result:
    params.linear()
    request = TradingStop(
        symbol=exchange.listing(params.text("symbol")).symbol,
        take_profit=params.number("takeProfit"),
        stop_loss=params.number("stopLoss"),
        trailing_stop=params.number("trailingStop"),
        active_price=params.number("activePrice"),
        position_idx=params.integer("positionIdx", 0),
        tpsl_mode=params.choice("tpslMode", TpslMode, TpslMode.FULL),
        tp_trigger_by=params.optional_choice("tpTriggerBy", TriggerBy),
        sl_trigger_by=params.optional_choice("slTriggerBy", TriggerBy),
        tp_size=params.level("tpSize"),
        sl_size=params.level("slSize"),
        tp_order_type=params.choice("tpOrderType", OrderType, OrderType.MARKET),
        sl_order_type=params.choice("slOrderType", OrderType, OrderType.MARKET),
        tp_limit_price=params.level("tpLimitPrice"),
        sl_limit_price=params.level("slLimitPrice"),
    )
    exchange.accept(SetTradingStop(uid=account.uid, request=request))
    return {}


ROUTES: tuple[Route, ...] = (
    PrivateRoute(path="/v5/position/list", handler=positions),
    PrivateRoute(method="POST", path="/v5/position/set-leverage", handler=set_leverage),
    PrivateRoute(method="POST", path="/v5/position/switch-mode", handler=switch_mode),
    PrivateRoute(method="POST", path="/v5/position/trading-stop", handler=trading_stop),
)
