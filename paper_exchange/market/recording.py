"""What a live market has seen, kept in a file so that it can be gone through again."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Protocol

import msgspec

from alpha.domain.clock import from_ms, to_ms
from alpha.domain.ids import Symbol
from paper_exchange.line_file import LineFile, whole_lines
from paper_exchange.market.inside import Whole
from paper_exchange.market.instruments import Listing
from paper_exchange.market.short_steps import ShortStep
from paper_exchange.market.source import FundingRate, MarketUnavailable

_FILE = "market.jsonl"


class Past(Protocol):
    """Whom to ask when there is no recording yet. Raises MarketUnavailable."""

    def before_now(self) -> tuple[int, dict[Symbol, list[Whole]]]: ...

    def funding(self, symbol: Symbol) -> list[FundingRate]: ...


class Recording:
    """The history that the market began with, and its steps. Without a folder they live as long as the process.

    The first line of the file is the beginning, each of the others a step, without the trades it was made of.
    """

    def __init__(
        self, folder: Path | None, listings: Mapping[Symbol, Listing], past: Past, *, description: Mapping[str, object]
    ) -> None:
        """Goes on with what the folder keeps, or begins. Raises MarketUnavailable."""
        self._path = None if folder is None else folder / _FILE
        self.steps: list[ShortStep] = []
        kept = self._lines()
        if kept:
            beginning = kept[0]
            if beginning["market"] != description:
                raise MarketUnavailable(f"{self._path} records another market; begin with an empty folder")
            self.steps = [_step(row) for row in kept[1:]]
        else:
            start_ms, history = past.before_now()
            beginning = {
                "market": description,
                "start_ms": start_ms,
                "history": history,
                "funding": {s: [[to_ms(rate.time), str(rate.rate)] for rate in past.funding(s)] for s in listings},
            }
        self.start_ms = int(beginning["start_ms"])
        self.history = {Symbol(s): [Whole(*row) for row in rows] for s, rows in beginning["history"].items()}
        self._funding = {
            Symbol(s): [FundingRate(time=from_ms(at), rate=Decimal(rate)) for at, rate in rows]
            for s, rows in beginning["funding"].items()
        }
        for step in self.steps:
            self._note_funding(step)
        self._file: LineFile | None = None
        if self._path is not None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = LineFile(self._path)
            if not kept:
                self._file.append(msgspec.json.encode(beginning) + b"\n")

    def add(self, step: ShortStep) -> None:
        """Returns when the operating system has it. Raises OSError, and then there is no such step."""
        if self._file is not None:
            row = {
                "at": [step.start_ms, step.end_ms],
                "bars": step.bars,
                "marks": step.marks,
                "indexes": step.indexes,
                "funding": {symbol: str(rate) for symbol, rate in step.funding.items()},
            }
            self._file.append(msgspec.json.encode(row) + b"\n")
        self.steps.append(step)
        self._note_funding(step)

    def funding(self, symbol: Symbol) -> list[FundingRate]:
        """The rates that were due, oldest first."""
        return self._funding.get(symbol, [])

    def _note_funding(self, step: ShortStep) -> None:
        at: datetime = from_ms(step.start_ms)
        for symbol, rate in step.funding.items():
            self._funding.setdefault(symbol, []).append(FundingRate(time=at, rate=rate))

    def _lines(self) -> list[dict[str, Any]]:
        if self._path is None:
            return []
        try:
            return [msgspec.json.decode(line) for line in whole_lines(self._path).splitlines()]
        except msgspec.DecodeError as error:
            raise MarketUnavailable(f"{self._path} is damaged: {error}") from error


def _step(row: Mapping[str, Any]) -> ShortStep:
    start_ms, end_ms = row["at"]
    return ShortStep(
        start_ms,
        end_ms,
        {Symbol(symbol): Whole(*bar) for symbol, bar in row["bars"].items()},
        {Symbol(symbol): mark for symbol, mark in row["marks"].items()},
        {Symbol(symbol): index for symbol, index in row["indexes"].items()},
        {Symbol(symbol): Decimal(rate) for symbol, rate in row["funding"].items()},
        {},
    )
