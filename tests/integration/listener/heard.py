"""Fills as the stream brings them, and a writer that notes what it says."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from alpha.domain.fill import Fill
from alpha.domain.ids import AccountName, Symbol
from alpha.domain.side import Side
from alpha.ledger.connection import Dsn
from alpha.ledger.fill_rows import FillSource, RecordedFill
from alpha.ledger.fills import RecordResult
from alpha.live.wire import now
from tests.unit.domain.fills import BTCUSDT, a_fill
from websocket_listener.write_queue import Heard
from websocket_listener.writer import Refused, Writer


def heard(n: int, *, symbol: Symbol = BTCUSDT, source: FillSource = FillSource.STREAM, **changes: object) -> Heard:
    """The n-th fill of the stream, a buy of 1 at 100."""
    fill: Fill = replace(a_fill(Side.BUY, "1", at="100", n=n), symbol=symbol, **changes)  # type: ignore[arg-type]
    return Heard(fill=fill, source=source, received_at=now(), frame_at=now())


class WritingListener:
    """A writer, and what it reported."""

    def __init__(self, dsn: Dsn, **settings: Any) -> None:
        self.batches: list[RecordResult] = []
        self.refused: list[Refused] = []
        self.fenced: list[AccountName] = []
        self.writer = Writer(
            dsn,
            on_committed=self.batches.append,
            on_refused=self.refused.append,
            on_fenced=self.fenced.append,
            **settings,
        )

    @property
    def recorded(self) -> list[RecordedFill]:
        return [fill for batch in self.batches for fill in batch.recorded]
