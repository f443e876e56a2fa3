"""Who hears what happens in the engine."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from paper_exchange.engine.events import Event, Execution

if TYPE_CHECKING:
    from paper_exchange.engine.account import Account
    from paper_exchange.engine.holding import Holding
    from paper_exchange.engine.working_order import WorkingOrder


class Audience(Protocol):
    """Told of everything at the moment it happens, in that order, with what the engine itself works on: whoever wants
    to keep more than a few numbers of it makes a snapshot. Nothing may be asked of the engine meanwhile."""

    def order(self, order: WorkingOrder) -> None:
        """The order is another one now, or new."""
        ...

    def execution(self, execution: Execution) -> None: ...

    def position(self, account: Account, holding: Holding, at: datetime) -> None:
        """The position, its stops or its margin may be others now."""
        ...

    def wallet(self, account: Account, at: datetime) -> None: ...


class Recorder:
    """Keeps a snapshot of everything until somebody takes them."""

    __slots__ = ("_events",)

    def __init__(self) -> None:
        self._events: list[Event] = []

    def order(self, order: WorkingOrder) -> None:
        self._events.append(order.told())

    def execution(self, execution: Execution) -> None:
        self._events.append(execution)

    def position(self, account: Account, holding: Holding, at: datetime) -> None:
        self._events.append(account.position_state(holding, at))

    def wallet(self, account: Account, at: datetime) -> None:
        self._events.append(account.wallet(at))

    def take(self) -> list[Event]:
        events, self._events = self._events, []
        return events
