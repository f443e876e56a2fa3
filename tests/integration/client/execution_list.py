"""execution/list as Bybit documents it, and executions to list."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any

from alpha.domain.clock import to_ms
from tests.integration.client.stub_exchange import Received, Reply, ok, refusal
from tests.unit.exchange.wire import execution

START = datetime(2025, 3, 1, tzinfo=UTC)
WEEK_MS = 7 * 86_400_000


class Executions:
    """execution/list as Bybit documents it: both bounds included, at most 7 days, newest first, ties in any order."""

    def __init__(self, rows: list[dict[str, Any]], *, overlap: int = 0) -> None:
        self.rows = rows
        self.overlap = overlap
        """How many rows of a page come again on the next one."""
        self.windows: list[tuple[int, int]] = []
        self._random = random.Random(1)
        self._listed: dict[tuple[int, int], list[dict[str, Any]]] = {}

    def __call__(self, request: Received) -> Reply:
        start, end, limit = (int(request.query[name]) for name in ("startTime", "endTime", "limit"))
        if end - start > WEEK_MS or limit > 100:
            return refusal(10001, "The time range between startTime and endTime cannot exceed 7 days")
        if not request.query.get("cursor"):
            self.windows.append((start, end))
            # Ties are unsorted, but paging within one walk is over one order.
            chosen = [row for row in self.rows if start <= int(row["execTime"]) <= end]
            self._random.shuffle(chosen)
            self._listed[(start, end)] = sorted(chosen, key=lambda row: -int(row["execTime"]))
        listed = self._listed[(start, end)]
        first = int(request.query.get("cursor") or 0)
        page = listed[first : first + limit]
        following = first + limit
        more = str(following - self.overlap) if following < len(listed) else ""
        return ok({"category": "linear", "list": page, "nextPageCursor": more})


def rows(count: int, *, per_instant: int = 1, spacing: timedelta = timedelta(seconds=1)) -> list[dict[str, Any]]:
    """`count` executions from START on, `per_instant` of them in the same millisecond."""
    return [
        execution(
            execId=f"e{n:05}",
            execTime=str(to_ms(START + (n // per_instant) * spacing)),
            seq=1000 + n // per_instant,
            leavesQty=str(per_instant - n % per_instant),
        )
        for n in range(count)
    ]
