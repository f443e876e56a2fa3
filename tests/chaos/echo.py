"""A strategy whose state tells every fill it handled and in which order, and which answers each with an order."""

from __future__ import annotations

import hashlib
from decimal import Decimal

from alpha.bot import BotFill, Strategy, StrategyParams, StrategyState
from alpha.domain.reason import Reason


class EchoState(StrategyState):
    fills: int = 0
    quantity: Decimal = Decimal(0)
    chain: str = ""
    """A hash over the ids of all fills in the order they were handled: one more, less or elsewhere changes it."""


class Echo(Strategy[StrategyParams, EchoState]):
    State = EchoState

    def on_fill(self, fill: BotFill) -> None:
        self.state.fills += 1
        self.state.quantity += fill.fill.quantity
        self.state.chain = linked(self.state.chain, fill.fill.exec_id)
        # Far from the market, so that it rests.
        self.broker.limit(
            fill.symbol, fill.fill.side.opposite, fill.fill.quantity, fill.fill.price * 2, reason=Reason.TIME_EXIT
        )


def linked(chain: str, exec_id: str) -> str:
    return hashlib.sha256(f"{chain}/{exec_id}".encode()).hexdigest()[:16]
