"""Events of the engine as frames of the streams."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from typing import Any

from alpha.domain.clock import to_ms
from paper_exchange.engine import Event, Execution, OrderState, PositionState
from paper_exchange.server.envelope import wall_ms
from paper_exchange.server.exchange import PaperExchange
from paper_exchange.server.market_view import MarketView
from paper_exchange.server.render_account import wallet
from paper_exchange.server.render_execution import execution_frame
from paper_exchange.server.render_market import kline_update, ticker
from paper_exchange.server.render_order import order_frame
from paper_exchange.server.render_position import position_frame
from paper_exchange.server.sockets import Hub


class Publisher:
    """Tells the streams what happened. Neighbouring events of one kind and account share a frame, as on Bybit."""

    def __init__(self, exchange: PaperExchange, view: MarketView, hub: Hub) -> None:
        self._exchange, self._view, self._hub = exchange, view, hub
        self._frames = 0

    def publish_events(self, events: Iterable[Event]) -> None:
        for (uid, topic), group in groupby(events, key=lambda event: (event.uid, _topic(event))):
            together = list(group)
            self._frames += 1
            self._hub.publish_private(uid, topic, self._frame_id(together[0]), [self._render(one) for one in together])

    def publish_market(self) -> None:
        """Bars that closed at the present instant, and the prices now."""
        now = self._exchange.now
        wanted = self._hub.public_topics()
        for symbol in self._exchange.listings:
            for interval, bar in self._view.closed_at(symbol, now):
                topic = f"kline.{interval}.{symbol}"
                if topic in wanted:
                    data = [kline_update(bar, interval, closed=True, at=now)]
                    self._hub.publish_public(topic, {"topic": topic, "type": "snapshot", "ts": wall_ms(), "data": data})
            topic = f"tickers.{symbol}"
            if topic in wanted:
                frame = {"topic": topic, "type": "snapshot", "ts": wall_ms(), "cs": self._exchange.steps}
                self._hub.publish_public(topic, {**frame, "data": ticker(self._view.quote(symbol))})

    def _frame_id(self, event: Event) -> str:
        if isinstance(event, Execution):
            return f"{event.uid}_{event.symbol}_{event.seq}"
        return f"{event.uid}-{to_ms(self._exchange.now)}-{self._frames}"

    def _render(self, event: Event) -> dict[str, Any]:
        match event:
            case Execution():
                return execution_frame(event)
            case OrderState():
                return order_frame(event)
            case PositionState():
                return position_frame(event, self._exchange.listings[event.symbol].risk_limit_value)
            case _:
                return wallet(event)


def _topic(event: Event) -> str:
    match event:
        case Execution():
            return "execution"
        case OrderState():
            return "order"
        case PositionState():
            return "position"
        case _:
            return "wallet"
