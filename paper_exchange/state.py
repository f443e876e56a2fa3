"""The log of inputs: what clients had accepted, and between which steps of the market."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from alpha.domain.errors import AlphaError
from alpha.domain.ids import OrderId, Symbol
from alpha.domain.order import OrderType, TimeInForce
from alpha.domain.side import Side
from paper_exchange.engine import OrderRequest, TradingStop

_FILE = "inputs.jsonl"


class StateInvalid(AlphaError):
    """The state belongs to another market, or a line of it cannot be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancel:
    symbol: Symbol
    order_id: OrderId | None = None
    order_link_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Amend:
    """`quantity` is the new total, `price` the new limit; None leaves it."""

    symbol: Symbol
    order_id: OrderId | None = None
    order_link_id: str | None = None
    quantity: Decimal | None = None
    price: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelAll:
    symbol: Symbol | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SetLeverage:
    symbol: Symbol
    leverage: Decimal


Input = OrderRequest | TradingStop | Amend | Cancel | CancelAll | SetLeverage
_KINDS: Mapping[str, type[Any]] = {
    kind.__name__: kind for kind in (OrderRequest, TradingStop, Amend, Cancel, CancelAll, SetLeverage)
}
_ENUMS: Mapping[str, type[Any]] = {"side": Side, "order_type": OrderType, "time_in_force": TimeInForce}
_TEXTS = frozenset({"symbol", "order_link_id", "order_id"})


class InputLog:
    """One line per accepted input, written before the client is answered; a killed server loses nothing it confirmed.

    The first line describes the market: a log is only good for the very market it was written on. A last line cut short
    by a crash was never answered, and is dropped.
    """

    def __init__(self, directory: Path, market: Mapping[str, object]) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._path = directory / _FILE
        header = json.loads(json.dumps(dict(market)))
        if self._path.exists() and self._path.stat().st_size:
            self._drop_torn_line()
            first = next(self._lines(), None)
            if first != {"market": header}:
                raise StateInvalid(f"{self._path} belongs to another market: use another --state, or the same market")
        else:
            self._path.write_text(json.dumps({"market": header}) + "\n")
        self._file = self._path.open("a")

    def append(self, steps: int, uid: int, request: Input) -> None:
        fields = {field.name: _plain(getattr(request, field.name)) for field in dataclasses.fields(request)}
        self._write({"steps": steps, "uid": uid, "kind": type(request).__name__, "fields": fields})

    def stepped(self, steps: int) -> None:
        """The market has moved on; a restart goes on from here."""
        self._write({"steps": steps})

    def read(self) -> Iterator[tuple[int, int, Input | None]]:
        """(steps before it, uid, request) of every line, in order; None for a mere step."""
        lines = self._lines()
        next(lines)
        for line in lines:
            if "kind" not in line:
                yield line["steps"], 0, None
                continue
            kind = _KINDS[line["kind"]]
            fields = {name: _value(name, value) for name, value in line["fields"].items()}
            yield line["steps"], line["uid"], kind(**fields)

    def close(self) -> None:
        self._file.close()

    def _write(self, line: Mapping[str, Any]) -> None:
        self._file.write(json.dumps(line) + "\n")
        self._file.flush()

    def _lines(self) -> Iterator[dict[str, Any]]:
        with self._path.open() as file:
            for number, line in enumerate(file, start=1):
                try:
                    yield json.loads(line)
                except ValueError as error:
                    raise StateInvalid(f"{self._path}:{number} cannot be read: {error}") from error

    def _drop_torn_line(self) -> None:
        content = self._path.read_bytes()
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            with self._path.open("r+b") as file:
                file.truncate(whole)


def _plain(value: Any) -> Any:
    return format(value, "f") if isinstance(value, Decimal) else value


def _value(name: str, value: Any) -> Any:
    if name in _ENUMS:
        return _ENUMS[name](value)
    if isinstance(value, str) and name not in _TEXTS:
        return Decimal(value)
    return value
