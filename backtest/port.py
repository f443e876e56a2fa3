"""The exchange as the bot's account sees it, without the wire in between."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Final

from alpha.bot.broker import HeldPosition
from alpha.domain.ids import AccountName, OrderId, Symbol
from alpha.domain.order import Order, TimeInForce
from alpha.exchange.errors import ExchangeRefused
from alpha.exchange.new_order import NewOrder
from alpha.exchange.new_order import TradingStop as NewStop
from backtest.replay import Replay
from backtest.translation import held_of, order_of
from paper_exchange.engine import OrderRequest, Refused, TradingStop

UID: Final = 1
_GTC: Final = TimeInForce.GTC


class EnginePort:
    """The OrderPort of a backtest. Orders are accepted or refused at once and matched at the next bar's open."""

    def __init__(self, replay: Replay, account: AccountName) -> None:
        self._replay = replay
        self._account = account

    def place_order(self, order: NewOrder) -> OrderId:
        request = OrderRequest(
            symbol=order.symbol,
            side=order.side,
            order_type=order.order_type,
            quantity=order.quantity,
            price=order.price,
            time_in_force=order.time_in_force or _GTC,
            order_link_id=order.order_link_id,
            reduce_only=order.reduce_only,
            close_on_trigger=order.close_on_trigger,
            take_profit=order.take_profit,
            stop_loss=order.stop_loss,
            position_idx=order.position_idx,
        )
        replay = self._replay
        try:
            order_id = replay.catch_up().submit(UID, request)
        except Refused as error:
            raise _refused(error, "place order") from error
        replay.asked(waits=True)
        return order_id

    def find_order(self, symbol: Symbol, order_link_id: str) -> Order | None:
        found = self._replay.engine.order(UID, order_link_id=order_link_id)
        return None if found is None or found.symbol != symbol else order_of(found, self._account)

    def cancel_order(self, symbol: Symbol, order_link_id: str) -> None:
        self._asked(
            "cancel order", lambda: self._replay.catch_up().cancel_order(UID, symbol, order_link_id=order_link_id)
        )

    def set_trading_stop(self, stop: NewStop) -> None:
        request = TradingStop(
            symbol=stop.symbol,
            take_profit=stop.take_profit,
            stop_loss=stop.stop_loss,
            trailing_stop=stop.trailing_stop,
            active_price=stop.active_price,
            position_idx=stop.position_idx,
        )
        self._asked("set trading stop", lambda: self._replay.catch_up().set_trading_stop(UID, request))

    def position(self, symbol: Symbol) -> HeldPosition:
        return held_of(self._replay.catch_up().position(UID, symbol))

    def set_leverage(self, symbol: Symbol, leverage: Decimal) -> None:
        self._asked("set leverage", lambda: self._replay.catch_up().set_leverage(UID, symbol, leverage))

    def _asked(self, operation: str, ask: Callable[[], object]) -> None:
        try:
            ask()
        except Refused as error:
            raise _refused(error, operation) from error
        self._replay.asked(waits=False)


def _refused(error: Refused, operation: str) -> ExchangeRefused:
    return ExchangeRefused(str(error), operation=operation, code=error.code, text=error.text)
