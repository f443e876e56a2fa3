"""/v5/position/*, /v5/account/*, /v5/user/*"""

from __future__ import annotations

from typing import Any

from alpha.domain.ids import Symbol
from paper_exchange.engine import PositionState, Refused, TradingStop
from paper_exchange.server.exchange import PaperExchange
from paper_exchange.server.pages import page
from paper_exchange.server.params import Params
from paper_exchange.server.render import text
from paper_exchange.server.render_account import (
    ACCOUNT_INFORMATION,
    key_information,
    transaction,
    transaction_key,
    wallet,
)
from paper_exchange.server.render_position import position
from paper_exchange.state import SetLeverage


class AccountRoutes:
    """Each method answers the `result` of one endpoint for the account `uid`, or raises Refused."""

    def __init__(self, exchange: PaperExchange) -> None:
        self._exchange = exchange

    def positions(self, uid: int, params: Params) -> dict[str, Any]:
        category, symbol = params.category(), params.symbol()
        if symbol is not None:
            self._known(symbol)
            rows = [self._exchange.engine.position(uid, symbol)]
        elif params.text("settleCoin") == "USDT":
            rows = [state for state in self._exchange.engine.positions(uid) if state.side is not None]
        else:
            raise Refused(10001, "params error: symbol or settleCoin is required")
        shown, cursor = page(rows, _position_key, params, default=20, most=200)
        return {
            "category": category,
            "nextPageCursor": cursor,
            "list": [position(state, self._exchange.listings[state.symbol].risk_limit_value) for state in shown],
        }

    def set_leverage(self, uid: int, params: Params) -> dict[str, Any]:
        params.category()
        buy, sell = params.required_number("buyLeverage"), params.required_number("sellLeverage")
        if buy != sell:
            raise Refused(10001, "params error: buyLeverage must be equal to sellLeverage")
        self._exchange.set_leverage(uid, SetLeverage(symbol=self._symbol(params), leverage=buy))
        return {}

    def switch_mode(self, uid: int, params: Params) -> dict[str, Any]:
        del uid
        params.category()
        if params.required("mode") == "0":
            raise Refused(110025, "Position mode is not modified")
        raise Refused(110029, f"hedge mode is not supported for {params.text('symbol') or params.text('coin')}")

    def trading_stop(self, uid: int, params: Params) -> dict[str, Any]:
        params.category()
        if params.text("tpslMode", "Full") != "Full":
            raise Refused(10001, "params error: tpslMode Partial is not supported here yet")
        self._exchange.set_trading_stop(
            uid,
            TradingStop(
                symbol=self._symbol(params),
                take_profit=params.number("takeProfit"),
                stop_loss=params.number("stopLoss"),
                trailing_stop=params.number("trailingStop"),
                active_price=params.number("activePrice"),
                position_idx=params.integer("positionIdx", 0, least=0, most=2),
            ),
        )
        return {}

    def wallet_balance(self, uid: int, params: Params) -> dict[str, Any]:
        if params.text("accountType", "UNIFIED") != "UNIFIED":
            raise Refused(10001, "accountType only support UNIFIED.")
        return {"list": [wallet(self._exchange.engine.wallet(uid))]}

    def information(self, uid: int, params: Params) -> dict[str, Any]:
        del uid, params
        return ACCOUNT_INFORMATION

    def fee_rates(self, uid: int, params: Params) -> dict[str, Any]:
        del uid
        params.category()
        symbol = params.symbol()
        listings = [self._exchange.listings[self._known(symbol)]] if symbol else self._exchange.listings.values()
        return {
            "list": [
                {
                    "symbol": listing.symbol,
                    "takerFeeRate": text(listing.taker_fee),
                    "makerFeeRate": text(listing.maker_fee),
                }
                for listing in listings
            ]
        }

    def transaction_log(self, uid: int, params: Params) -> dict[str, Any]:
        first, last = params.window(self._exchange.now)
        kind, base = params.text("type"), params.text("currency")
        rows = [
            row
            for row in self._exchange.engine.transactions(uid)
            if first <= row.time <= last and kind in ("", row.type) and base in ("", row.currency)
        ]
        shown, cursor = page(rows, transaction_key, params, default=20, most=50)
        return {"nextPageCursor": cursor, "list": [transaction(row) for row in shown]}

    def key_information(self, uid: int, params: Params) -> dict[str, Any]:
        del params
        return key_information(self._exchange.accounts[uid])

    def _symbol(self, params: Params) -> Symbol:
        return self._known(Symbol(params.required("symbol")))

    def _known(self, symbol: Symbol) -> Symbol:
        if symbol not in self._exchange.listings:
            raise Refused(10001, "params error: symbol invalid")
        return symbol


def _position_key(state: PositionState) -> tuple[int, str]:
    return state.position_idx, state.symbol
