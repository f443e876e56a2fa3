"""What nobody hears because a socket was taken away."""

from __future__ import annotations

from dataclasses import dataclass

from alpha.domain.ids import AccountName
from paper_exchange.faults.schedule import ArmedFault

_COUNTED_FOR_S = 60.0
"""After the end of a fault: a client that never comes back is not the fault's doing any more."""


@dataclass(frozen=True, slots=True)
class _Gap:
    armed: ArmedFault
    account: AccountName
    topics: frozenset[str]


class Gaps:
    """One gap per socket that was taken away, open until a socket of its account subscribes in its place."""

    def __init__(self) -> None:
        self._open: list[_Gap] = []

    def opened(self, armed: ArmedFault, account: AccountName, topics: frozenset[str]) -> None:
        """`topics` are what the socket listened to: `execution`, `execution.linear` and so on."""
        plain = frozenset(topic.partition(".")[0] for topic in topics)
        self._open.append(_Gap(armed, account, plain))

    def closed(self, account: AccountName) -> None:
        """A socket of the account has subscribed."""
        for gap in self._open:
            if gap.account == account:
                self._open.remove(gap)
                return

    def missed(self, account: AccountName, topic: str, events: int, now: float) -> None:
        """Counts what was published, once for each socket that should have heard it."""
        self._open = [gap for gap in self._open if now < gap.armed.ends_at + _COUNTED_FOR_S]
        for gap in self._open:
            if gap.account == account and topic in gap.topics:
                gap.armed.hit += events
