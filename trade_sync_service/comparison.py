"""What a comparison needs and what it answers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from alpha.exchange.endpoints import Endpoints
from alpha.exchange.rest import ExchangeClient
from alpha.ledger.connection import Connection
from alpha.ledger.sync_status import SyncWindow
from alpha.service.alerts import AlertWriter


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncTiming:
    """`settle_s` (wall clock): for how long a difference may settle before it counts. `overlap` (market clock): how
    much of what was read before is read again, for what came late or shifted while it was read. `reach` (market clock):
    how far back the exchange keeps its lists."""

    settle_s: float
    overlap: timedelta
    reach: timedelta

    @classmethod
    def of(cls, endpoints: Endpoints) -> SyncTiming:
        # Executions, closed P&L and log of two years can be asked for; demo trading keeps seven days
        # (https://bybit-exchange.github.io/docs/v5/demo). The market of a paper exchange may run thousands of times
        # faster than the wall clock.
        two_years = timedelta(days=729)
        if endpoints.is_paper:
            return cls(settle_s=3.0, overlap=timedelta(days=1), reach=two_years)
        reach = timedelta(days=7) if endpoints.environment == "demo" else two_years
        return cls(settle_s=15.0, overlap=timedelta(hours=1), reach=reach)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sides:
    """The two sides of a comparison of one account, and whom to tell. `ledger` logs in as the sync service."""

    client: ExchangeClient
    ledger: Connection
    alerts: AlertWriter | None
    timing: SyncTiming


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """A part of a window that is read, both ends included (market clock)."""

    window: SyncWindow
    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a part of a stretch brought: rows told by the exchange, how many findings, and a sentence about them, "" for
    none. `through` is how far it was read, and `open_from` the first time in it that cannot be judged yet."""

    through: datetime
    rows: int
    open_from: datetime | None = None
    findings: int = 0
    detail: str = ""


def grouped(times: Sequence[datetime], apart: timedelta) -> Iterator[tuple[datetime, datetime]]:
    """Stretches that hold these times and of which no two lie nearer to each other than `apart`."""
    ordered = sorted(times)
    start = end = ordered[0] if ordered else None
    for at in ordered[1:]:
        assert start is not None
        assert end is not None
        if at - end > apart:
            yield start, end
            start = at
        end = at
    if start is not None and end is not None:
        yield start, end
