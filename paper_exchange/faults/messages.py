"""What becomes of a private message on its way: late, twice, out of order, or never."""

from __future__ import annotations

from dataclasses import dataclass

from alpha.domain.ids import AccountName
from paper_exchange.faults.fault import FaultKind
from paper_exchange.faults.schedule import ArmedFault, Schedule


@dataclass(frozen=True, slots=True)
class Message:
    """One frame of the private stream. `subject` names what it tells (an execution's id, an order's state), so that
    draws do not depend on when it was sent; `events` is how many rows it has."""

    account: AccountName
    topic: str
    subject: str
    events: int


class MessageFaults:
    """Delay keeps the order of an account's messages, as a slow connection does; reorder is what breaks it."""

    def __init__(self, schedule: Schedule) -> None:
        self._schedule = schedule
        self._line: dict[AccountName, float] = {}

    def sendings(self, message: Message) -> list[float]:
        """When the message is sent, on the schedule's clock: once and now unless something happens to it."""
        for armed in self._happening(FaultKind.WITHHOLD, message):
            armed.count(message.events)
            return []
        due = now = self._schedule.now()
        for armed in self._happening(FaultKind.DELAY, message):
            due += armed.fault.by_s or 0.0
            armed.count(message.events)
        # What follows a delayed message waits behind it, also when the window has ended meanwhile.
        due = max(due, self._line.get(message.account, 0.0))
        if due > now:
            self._line[message.account] = due
        for armed in self._happening(FaultKind.REORDER, message):
            due += armed.draws.fraction("within", message.topic, message.subject) * (armed.fault.by_s or 0.0)
            armed.count(message.events)
        sendings = [due]
        for armed in self._happening(FaultKind.DUPLICATE, message):
            sendings.append(due + (armed.fault.by_s or 0.0))
            armed.count(message.events)
        return sendings

    def _happening(self, kind: FaultKind, message: Message) -> list[ArmedFault]:
        return [
            armed
            for armed in self._schedule.active(kind, message.account)
            if (not armed.fault.topics or message.topic in armed.fault.topics)
            and armed.happens(message.topic, message.subject)
        ]
