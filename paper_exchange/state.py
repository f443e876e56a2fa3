"""What the exchange was asked, in order, so that it can become again what it was.

The engine is deterministic, so its state is its inputs: one line per request and one per step of the market, written
before the engine acts on it. A process killed at any moment has lost nothing that anybody was told.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal, Protocol, TypeVar

from pydantic import Field, TypeAdapter, ValidationError

from alpha.domain.errors import AlphaError
from alpha.domain.ids import Symbol
from paper_exchange.engine import Engine, OrderRequest, OrderState, PositionState, Refused, TradingStop

_FORMAT = 1

T_co = TypeVar("T_co", covariant=True)


class StateUnusable(AlphaError):
    """The kept state is damaged, or it is that of another exchange than the one asked for."""


class Request(Protocol[T_co]):
    """What a client asks the engine to change."""

    def apply(self, engine: Engine) -> T_co:
        """Raises Refused, and then nothing was changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceOrder:
    uid: int
    request: OrderRequest
    op: Literal["place"] = "place"

    def apply(self, engine: Engine) -> OrderState:
        return engine.place_order(self.uid, self.request)


@dataclass(frozen=True, slots=True, kw_only=True)
class AmendOrder:
    uid: int
    symbol: Symbol
    order_id: str | None
    order_link_id: str | None
    quantity: Decimal | None
    price: Decimal | None
    op: Literal["amend"] = "amend"

    def apply(self, engine: Engine) -> OrderState:
        return engine.amend_order(
            self.uid,
            self.symbol,
            order_id=self.order_id,
            order_link_id=self.order_link_id,
            quantity=self.quantity,
            price=self.price,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelOrder:
    uid: int
    symbol: Symbol
    order_id: str | None
    order_link_id: str | None
    op: Literal["cancel"] = "cancel"

    def apply(self, engine: Engine) -> OrderState:
        return engine.cancel_order(self.uid, self.symbol, self.order_id, self.order_link_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelAll:
    uid: int
    symbol: Symbol | None
    include_stops: bool
    op: Literal["cancel_all"] = "cancel_all"

    def apply(self, engine: Engine) -> list[OrderState]:
        return engine.cancel_all(self.uid, self.symbol, include_stops=self.include_stops)


@dataclass(frozen=True, slots=True, kw_only=True)
class SetTradingStop:
    uid: int
    request: TradingStop
    op: Literal["trading_stop"] = "trading_stop"

    def apply(self, engine: Engine) -> PositionState:
        return engine.set_trading_stop(self.uid, self.request)


@dataclass(frozen=True, slots=True, kw_only=True)
class SetLeverage:
    uid: int
    symbol: Symbol
    leverage: Decimal
    op: Literal["leverage"] = "leverage"

    def apply(self, engine: Engine) -> PositionState:
        return engine.set_leverage(self.uid, self.symbol, self.leverage)


@dataclass(frozen=True, slots=True, kw_only=True)
class TradeNow:
    """Market orders matched the moment they are sent, one after the other. One of them refused keeps no other back."""

    orders: tuple[PlaceOrder, ...]
    op: Literal["trade_now"] = "trade_now"

    def apply(self, engine: Engine) -> list[OrderState | Refused]:
        return [_outcome(engine, order) for order in self.orders]


def _outcome(engine: Engine, order: PlaceOrder) -> OrderState | Refused:
    try:
        return engine.trade_now(order.uid, order.request)
    except Refused as refused:
        return refused


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """The market moved on by one base interval."""

    op: Literal["step"] = "step"


Input = PlaceOrder | AmendOrder | CancelOrder | CancelAll | SetTradingStop | SetLeverage | TradeNow | Step

_INPUTS: TypeAdapter[Any] = TypeAdapter(Annotated[Input, Field(discriminator="op")])


class InputLog:
    """An append-only file of inputs under a header that says which exchange they belong to."""

    def __init__(self, folder: Path, header: dict[str, Any]) -> None:
        """Opens the log, or begins one.

        Raises StateUnusable when the folder keeps another exchange: other market, seed or accounts.
        """
        self._path = folder / "inputs.jsonl"
        self._header = {"format": _FORMAT, **header}
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if not self._path.exists() or self._path.stat().st_size == 0:
                self._path.write_text(json.dumps(self._header) + "\n")
            self._check_header()
            self._drop_torn_line()
            self._file = self._path.open("ab", buffering=0)
        except OSError as error:
            raise StateUnusable(f"the state folder {folder} cannot be used: {error.strerror}") from error

    def inputs(self) -> Iterator[Input]:
        """Every input kept, oldest first. Raises StateUnusable naming the line that is none."""
        with self._path.open("rb") as file:
            next(file)
            for number, line in enumerate(file, start=2):
                try:
                    yield _INPUTS.validate_json(line)
                except ValidationError as error:
                    raise StateUnusable(f"{self._path}:{number} is damaged: {error.errors()[0]['msg']}") from error

    def append(self, given: Request[object] | Step) -> None:
        """Returns when the operating system has it, so that the death of this process cannot lose it."""
        self._file.write(_INPUTS.dump_json(given) + b"\n")

    def close(self) -> None:
        self._file.close()

    def _check_header(self) -> None:
        with self._path.open("rb") as file:
            first = file.readline()
        try:
            kept = json.loads(first)
        except ValueError as error:
            raise StateUnusable(f"{self._path} does not begin with a header; move it away to begin anew") from error
        if kept != self._header:
            differing = sorted(name for name in {*kept, *self._header} if kept.get(name) != self._header.get(name))
            raise StateUnusable(
                f"{self._path} keeps an exchange with another {', '.join(differing)}; "
                "start with what it was begun with, or with an empty state folder"
            )

    def _drop_torn_line(self) -> None:
        # A line without an end was being written when the process died: nobody was answered.
        content = self._path.read_bytes()
        if not content.endswith(b"\n"):
            with self._path.open("r+b") as file:
                file.truncate(content.rfind(b"\n") + 1)
