"""Positions: https://bybit-exchange.github.io/docs/v5/position and the pages beside it."""

from __future__ import annotations

from paper_exchange.accounts import ExchangeAccount
from paper_exchange.engine import PositionState, Refused, TradingStop
from paper_exchange.server.exchange import Exchange
from paper_exchange.server.paging import Place, page
from paper_exchange.server.params import BAD_PARAMETER, Params, invalid
from paper_exchange.server.render_positions import position_list, rest_position
from paper_exchange.server.routes import PrivateRoute, Result, Route
from paper_exchange.state import SetLeverage, SetTradingStop

_NOT_MODIFIED = 110025
_HEDGE_UNSUPPORTED = 110029
_ONE_WAY, _HEDGE = 0, 3


def positions(exchange: Exchange, account: ExchangeAccount, params: Params) -> Result:
    """With a symbol its position, also when flat; with a settle coin all that are not flat."""
    params.linear()
    limit = params.limit(default=20, highest=200)
    symbol = params.optional("symbol")
    if symbol is not None:
        found = [exchange.engine.position(account.uid, exchange.listing(symbol).symbol)]
    elif params.optional("settleCoin") is None:
        raise Refused(BAD_PARAMETER, "params error: symbol or settleCoin is required")
    else:
        is_ours = params.text("settleCoin") == "USDT"
        found = [position for position in exchange.engine.positions(account.uid) if is_ours and position.side]

    def place(position: PositionState) -> Place:
        return Place(0, exchange.listings[position.symbol].symbol_id)

    shown, cursor = page(found, place, params, limit)
    rows = [rest_position(position, exchange.listings[position.symbol].risk_limit_value) for position in shown]
    return position_list(rows, cursor)


def set_leverage(exchange: Exchange, account: ExchangeAccount, params: Params) -> Result:
    params.linear()
    symbol = exchange.listing(params.text("symbol")).symbol
    buy, sell = params.required_number("buyLeverage"), params.required_number("sellLeverage")
    if buy != sell:
        raise Refused(BAD_PARAMETER, "params error: buyLeverage must equal sellLeverage")
    exchange.accept(SetLeverage(uid=account.uid, symbol=symbol, leverage=buy))
    return {}


def switch_mode(exchange: Exchange, account: ExchangeAccount, params: Params) -> Result:  # noqa: ARG001
    """Every account is one-way, so there is nothing to switch to."""
    params.linear()
    if params.optional("symbol") is None and params.optional("coin") is None:
        raise Refused(BAD_PARAMETER, "params error: symbol or coin is required")
    mode = params.integer("mode", -1)
    if mode == _ONE_WAY:
        raise Refused(_NOT_MODIFIED, "Position mode is not modified")
    if mode == _HEDGE:
        raise Refused(_HEDGE_UNSUPPORTED, "Hedge mode is not supported for the symbol")
    raise invalid("mode")


def trading_stop(exchange: Exchange, account: ExchangeAccount, params: Params) -> Result:
    params.linear()
    symbol = exchange.listing(params.text("symbol")).symbol
    params.reject("tpSize", "slSize", "tpLimitPrice", "slLimitPrice")
    if params.text("tpslMode", "Full") != "Full":
        raise invalid("tpslMode")
    request = TradingStop(
        symbol=symbol,
        take_profit=params.number("takeProfit"),
        stop_loss=params.number("stopLoss"),
        trailing_stop=params.number("trailingStop"),
        active_price=params.number("activePrice"),
        position_idx=params.integer("positionIdx", 0),
    )
    exchange.accept(SetTradingStop(uid=account.uid, request=request))
    return {}


ROUTES: tuple[Route, ...] = (
    PrivateRoute(path="/v5/position/list", handler=positions),
    PrivateRoute(method="POST", path="/v5/position/set-leverage", handler=set_leverage),
    PrivateRoute(method="POST", path="/v5/position/switch-mode", handler=switch_mode),
    PrivateRoute(method="POST", path="/v5/position/trading-stop", handler=trading_stop),
)
