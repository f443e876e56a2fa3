"""POST and GET /v5/order/*, GET /v5/execution/list"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from alpha.domain.ids import OrderId, Symbol
from alpha.domain.order import OrderType, TimeInForce
from alpha.domain.order_link_id import is_valid_order_link_id
from alpha.domain.side import Side
from paper_exchange.engine import OrderRequest, OrderState, Refused
from paper_exchange.server.exchange import PaperExchange
from paper_exchange.server.pages import page
from paper_exchange.server.params import Params, wrong
from paper_exchange.server.render_execution import execution, execution_key
from paper_exchange.server.render_order import order, order_key
from paper_exchange.state import Amend, Cancel, CancelAll


class TradeRoutes:
    """Each method answers the `result` of one endpoint for the account `uid`, or raises Refused."""

    def __init__(self, exchange: PaperExchange) -> None:
        self._exchange = exchange

    def create(self, uid: int, params: Params) -> dict[str, Any]:
        params.category()
        order_type = _one_of(OrderType, params, "orderType")
        link_id = params.text("orderLinkId")
        if link_id and not is_valid_order_link_id(link_id):
            raise wrong("orderLinkId")
        for name in ("triggerPrice", "tpLimitPrice", "slLimitPrice"):
            if params.price(name) is not None:
                raise Refused(10001, f"params error: {name} is not supported here yet")
        placed = self._exchange.place_order(
            uid,
            OrderRequest(
                symbol=self._symbol(params),
                side=_one_of(Side, params, "side"),
                order_type=order_type,
                quantity=params.required_number("qty"),
                price=params.price("price") if order_type is OrderType.LIMIT else None,
                time_in_force=(
                    TimeInForce.IOC
                    if order_type is OrderType.MARKET
                    else _one_of(TimeInForce, params, "timeInForce", TimeInForce.GTC)
                ),
                order_link_id=link_id,
                reduce_only=params.flag("reduceOnly"),
                close_on_trigger=params.flag("closeOnTrigger"),
                take_profit=params.price("takeProfit"),
                stop_loss=params.price("stopLoss"),
                position_idx=params.integer("positionIdx", 0, least=0, most=2),
            ),
        )
        return _ids(placed)

    def amend(self, uid: int, params: Params) -> dict[str, Any]:
        params.category()
        order_id, link_id = _named_by(params)
        for name in ("triggerPrice", "takeProfit", "stopLoss"):
            if params.text(name):
                raise Refused(10001, f"params error: {name} cannot be amended here yet")
        amend = Amend(
            symbol=self._symbol(params),
            order_id=order_id,
            order_link_id=link_id,
            quantity=params.price("qty"),
            price=params.price("price"),
        )
        return _ids(self._exchange.amend_order(uid, amend))

    def cancel(self, uid: int, params: Params) -> dict[str, Any]:
        params.category()
        order_id, link_id = _named_by(params)
        cancel = Cancel(symbol=self._symbol(params), order_id=order_id, order_link_id=link_id)
        return _ids(self._exchange.cancel_order(uid, cancel))

    def cancel_all(self, uid: int, params: Params) -> dict[str, Any]:
        params.category()
        symbol = params.symbol()
        if symbol is None and not params.text("settleCoin") and not params.text("baseCoin"):
            raise Refused(10001, "params error: symbol, baseCoin or settleCoin is required")
        if symbol is not None:
            self._symbol(params)
        cancelled = self._exchange.cancel_all(uid, CancelAll(symbol=symbol))
        return {"list": [_ids(state) for state in cancelled], "success": "1"}

    def realtime(self, uid: int, params: Params) -> dict[str, Any]:
        named = self._named(uid, params)
        if named is not None:
            return _order_page(named, params)
        if params.symbol() is None and not params.text("settleCoin") and not params.text("baseCoin"):
            raise Refused(10001, "params error: symbol, baseCoin or settleCoin is required")
        open_only = params.integer("openOnly", 0, least=0, most=2) == 0
        rows = self._exchange.engine.orders(uid, symbol=params.symbol(), open_only=True)
        if not open_only:
            closed = [
                state
                for state in self._exchange.engine.orders(uid, symbol=params.symbol(), open_only=False)
                if state.status.is_terminal
            ]
            rows = sorted(closed, key=order_key)[-500:]
        return _order_page(self._filtered(rows, params), params)

    def history(self, uid: int, params: Params) -> dict[str, Any]:
        named = self._named(uid, params)
        if named is not None:
            return _order_page([state for state in named if state.status.is_terminal], params)
        first, last = params.window(self._exchange.now)
        rows = [
            state
            for state in self._exchange.engine.orders(uid, symbol=params.symbol(), open_only=False)
            if state.status.is_terminal and first <= state.created_at <= last
        ]
        return _order_page(self._filtered(rows, params), params)

    def executions(self, uid: int, params: Params) -> dict[str, Any]:
        category = params.category()
        made = self._exchange.engine.executions(uid)
        order_id, link_id = params.text("orderId"), params.text("orderLinkId")
        if order_id or link_id:
            rows = [row for row in made if (row.order_id == order_id if order_id else row.order_link_id == link_id)]
        else:
            first, last = params.window(self._exchange.now)
            symbol, kind, base = params.symbol(), params.text("execType"), params.text("baseCoin")
            rows = [
                row
                for row in made
                if first <= row.exec_time <= last
                and symbol in (None, row.symbol)
                and kind in ("", row.exec_type.value)
                and self._is_of_base(row.symbol, base)
            ]
        shown, cursor = page(rows, execution_key, params, default=50, most=100)
        return {"category": category, "nextPageCursor": cursor, "list": [execution(row) for row in shown]}

    def _named(self, uid: int, params: Params) -> list[OrderState] | None:
        """The order that the request names, as a list; None when it names none."""
        params.category()
        order_id, link_id = params.text("orderId"), params.text("orderLinkId")
        if not order_id and not link_id:
            return None
        found = self._exchange.engine.order(
            uid, order_id=OrderId(order_id) if order_id else None, order_link_id=None if order_id else link_id
        )
        return [found] if found is not None else []

    def _filtered(self, rows: list[OrderState], params: Params) -> list[OrderState]:
        status, base, kind = params.text("orderStatus"), params.text("baseCoin"), params.text("orderFilter")
        wanted: dict[str, Callable[[OrderState], bool]] = {
            "": lambda _: True,
            "Order": lambda state: state.stop_order_type == "",
            "StopOrder": lambda state: state.stop_order_type != "",
        }
        if kind not in wanted:
            raise wrong("orderFilter")
        return [
            state
            for state in rows
            if status in ("", state.status.value) and self._is_of_base(state.symbol, base) and wanted[kind](state)
        ]

    def _is_of_base(self, symbol: Symbol, base: str) -> bool:
        return not base or self._exchange.listings[symbol].instrument.base == base

    def _symbol(self, params: Params) -> Symbol:
        symbol = Symbol(params.required("symbol"))
        if symbol not in self._exchange.listings:
            raise Refused(10001, "params error: symbol invalid")
        return symbol


def _named_by(params: Params) -> tuple[OrderId | None, str | None]:
    """The order a request names; orderId wins when both are given."""
    order_id, link_id = params.text("orderId"), params.text("orderLinkId")
    if not order_id and not link_id:
        raise Refused(10001, "params error: orderId or orderLinkId is required")
    return (OrderId(order_id), None) if order_id else (None, link_id)


def _ids(state: OrderState) -> dict[str, Any]:
    return {"orderId": state.order_id, "orderLinkId": state.order_link_id}


def _order_page(rows: list[OrderState], params: Params) -> dict[str, Any]:
    shown, cursor = page(rows, order_key, params, default=20, most=50)
    return {"category": "linear", "nextPageCursor": cursor, "list": [order(state) for state in shown]}


def _one_of(kind: Any, params: Params, name: str, default: Any = None) -> Any:
    value = params.text(name)
    if not value and default is not None:
        return default
    try:
        return kind(value)
    except ValueError:
        raise wrong(name) from None
