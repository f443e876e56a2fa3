from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import structlog

from alpha.bot.broker import HeldPosition
from alpha.domain.ids import OrderId, Symbol
from alpha.domain.order import Order
from alpha.domain.position import FLAT
from alpha.exchange.errors import ExchangeError
from alpha.exchange.new_order import NewOrder, TradingStop
from alpha.exchange.rest import ExchangeClient

log = structlog.get_logger()


class ExchangePort:
    """The bot's account at the exchange, over REST."""

    def __init__(self, client: ExchangeClient, symbols: Sequence[Symbol] | None, wallet: ExchangeClient) -> None:
        """`symbols` None: the account is this bot's, with everything on it. `wallet` is a client whose reads end in
        time for a decision."""
        self._client, self._wallet = client, wallet
        self._symbols = symbols

    def place_order(self, order: NewOrder) -> OrderId:
        placed = self._client.place_order(order)
        log.info(
            "order_placed",
            correlation_id=order.order_link_id,
            symbol=order.symbol,
            side=order.side.value,
            quantity=order.quantity,
            order_id=placed,
        )
        return placed

    def find_order(self, symbol: Symbol, order_link_id: str) -> Order | None:
        return self._client.order(symbol=symbol, order_link_id=order_link_id)

    def open_orders(self) -> list[Order]:
        """Every open order of the account on the bot's symbols (or of all of it), also those of others."""
        return self._client.open_orders(self._symbols)

    def cancel_order(self, symbol: Symbol, order_link_id: str) -> None:
        self._client.cancel_order(symbol, order_link_id=order_link_id)

    def set_trading_stop(self, stop: TradingStop) -> None:
        self._client.set_trading_stop(stop)

    def set_leverage(self, symbol: Symbol, leverage: Decimal) -> None:
        self._client.set_leverage(symbol, leverage)

    def position(self, symbol: Symbol) -> HeldPosition:
        for found in self._client.positions_of(symbol):
            if found.symbol == symbol:
                return HeldPosition(
                    symbol=symbol,
                    position=found.position,
                    mark_price=found.mark_price,
                    stop_loss=found.stop_loss,
                    take_profit=found.take_profit,
                    trailing_stop=found.trailing_stop,
                    seq=-1 if found.seq is None else found.seq,
                )
        return HeldPosition(symbol=symbol, position=FLAT)

    def equity(self) -> Decimal | None:
        """The account's equity, marked to market; None when the exchange does not say."""
        try:
            return self._wallet.wallet().equity
        except ExchangeError as error:
            log.warning("equity_not_answered", error=str(error))
            return None
