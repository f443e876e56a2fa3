"""What the exchange was asked, in order, so that it can become again what it was.

The engine is deterministic, so its state is its inputs: one line per request and one per step of the market, written
before the engine acts on it. A process killed at any moment has lost nothing that anybody was told.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from shutil import copyfile
from typing import Any, Protocol, TypeVar

import msgspec

from alpha.domain.errors import AlphaError
from alpha.domain.ids import Symbol
from paper_exchange.engine import (
    Engine,
    OrderAmendment,
    OrderRequest,
    OrderState,
    PositionState,
    Refused,
    TpslMode,
    TradingStop,
    TriggerBy,
)
from paper_exchange.engine.requests import MarginMode, PositionMode
from paper_exchange.line_file import LineFile, whole_lines

_FORMAT = 1
_AMENDABLE = OrderAmendment.__struct_fields__

T_co = TypeVar("T_co", covariant=True)


class StateUnusable(AlphaError):
    """The kept state is damaged, or it is that of another exchange than the one asked for."""


class Request(Protocol[T_co]):
    """What a client asks the engine to change."""

    def apply(self, engine: Engine) -> T_co:
        """Raises Refused, and then nothing was changed."""


class _Kept(msgspec.Struct, frozen=True, kw_only=True, gc=False, tag_field="op"):
    """One line of the log. `op` in it says what it is."""


class PlaceOrder(_Kept, frozen=True, kw_only=True, tag="place"):
    uid: int
    request: OrderRequest

    def apply(self, engine: Engine) -> OrderState:
        return engine.place_order(self.uid, self.request)


class AmendOrder(_Kept, frozen=True, kw_only=True, tag="amend"):
    """What shall change; None leaves it as it is."""

    uid: int
    symbol: Symbol
    order_id: str | None
    order_link_id: str | None
    quantity: Decimal | None = None
    price: Decimal | None = None
    trigger_price: Decimal | None = None
    trigger_by: TriggerBy | None = None
    take_profit: Decimal | None = None
    stop_loss: Decimal | None = None
    tpsl_mode: TpslMode | None = None
    tp_trigger_by: TriggerBy | None = None
    sl_trigger_by: TriggerBy | None = None
    tp_limit_price: Decimal | None = None
    sl_limit_price: Decimal | None = None

    def apply(self, engine: Engine) -> OrderState:
        changes = {name: getattr(self, name) for name in _AMENDABLE if getattr(self, name) is not None}
        return engine.amend_order(
            self.uid, self.symbol, order_id=self.order_id, order_link_id=self.order_link_id, **changes
        )


class CancelOrder(_Kept, frozen=True, kw_only=True, tag="cancel"):
    uid: int
    symbol: Symbol
    order_id: str | None
    order_link_id: str | None

    def apply(self, engine: Engine) -> OrderState:
        return engine.cancel_order(self.uid, self.symbol, self.order_id, self.order_link_id)


class CancelAll(_Kept, frozen=True, kw_only=True, tag="cancel_all"):
    """`order_filter` is "" for all, "Order" or "StopOrder"; `stop_order_type` "Stop" spares the stops of positions."""

    uid: int
    symbol: Symbol | None
    order_filter: str = ""
    stop_order_type: str = ""

    def apply(self, engine: Engine) -> list[OrderState]:
        return engine.cancel_all(
            self.uid, self.symbol, order_filter=self.order_filter, stop_order_type=self.stop_order_type
        )


class SetTradingStop(_Kept, frozen=True, kw_only=True, tag="trading_stop"):
    uid: int
    request: TradingStop

    def apply(self, engine: Engine) -> PositionState:
        return engine.set_trading_stop(self.uid, self.request)


class SetLeverage(_Kept, frozen=True, kw_only=True, tag="leverage"):
    uid: int
    symbol: Symbol
    leverage: Decimal

    def apply(self, engine: Engine) -> PositionState:
        return engine.set_leverage(self.uid, self.symbol, self.leverage)


class SetPositionMode(_Kept, frozen=True, kw_only=True, tag="position_mode"):
    """`symbol` None: every symbol that has neither positions nor orders."""

    uid: int
    mode: PositionMode
    symbol: Symbol | None

    def apply(self, engine: Engine) -> None:
        engine.set_position_mode(self.uid, self.mode, self.symbol)


class SetMarginMode(_Kept, frozen=True, kw_only=True, tag="margin_mode"):
    uid: int
    mode: MarginMode

    def apply(self, engine: Engine) -> None:
        engine.set_margin_mode(self.uid, self.mode)


class Deleverage(_Kept, frozen=True, kw_only=True, tag="deleverage"):
    """Close a part of a position as auto-deleveraging does, because an operator wants to see it."""

    uid: int
    symbol: Symbol
    quantity: Decimal
    position_idx: int = 0

    def apply(self, engine: Engine) -> None:
        engine.deleverage(self.uid, self.symbol, self.quantity, self.position_idx)


class TradeNow(_Kept, frozen=True, kw_only=True, tag="trade_now"):
    """Market orders matched the moment they are sent, one after the other. One of them refused keeps no other back."""

    orders: tuple[PlaceOrder, ...]

    def apply(self, engine: Engine) -> list[OrderState | Refused]:
        return [_outcome(engine, order) for order in self.orders]


def _outcome(engine: Engine, order: PlaceOrder) -> OrderState | Refused:
    try:
        return engine.trade_now(order.uid, order.request)
    except Refused as refused:
        return refused


class Step(_Kept, frozen=True, kw_only=True, tag="step"):
    """The market moved on by one base interval."""


Input = (
    PlaceOrder
    | AmendOrder
    | CancelOrder
    | CancelAll
    | SetTradingStop
    | SetLeverage
    | SetPositionMode
    | SetMarginMode
    | Deleverage
    | TradeNow
    | Step
)

_decode = msgspec.json.Decoder(Input).decode


class InputLog:
    """An append-only file of inputs under a header that says which exchange they belong to."""

    def __init__(self, folder: Path, header: dict[str, Any], *, later: Collection[str] = ()) -> None:
        """Opens the log, or begins one. What a header says under a name of `later`, one that is older does not say.

        Raises StateUnusable when the folder keeps another exchange: other market, seed or accounts.
        """
        self._path = folder / "inputs.jsonl"
        self._header = {"format": _FORMAT, **header}
        try:
            folder.mkdir(parents=True, exist_ok=True)
            kept = whole_lines(self._path)
            if kept:
                self._header = self._begun_with(kept[: kept.index(b"\n")], later)
            self._file = LineFile(self._path)
            if not kept:
                self._file.append(json.dumps(self._header).encode() + b"\n")
        except OSError as error:
            raise StateUnusable(f"the state folder {folder} cannot be used: {error.strerror}") from error

    @property
    def header(self) -> Mapping[str, Any]:
        """What the log was begun with."""
        return self._header

    def inputs(self) -> Iterator[Input]:
        """Every input kept, oldest first. Raises StateUnusable naming the line that is none."""
        with self._path.open("rb") as file:
            next(file)
            for number, line in enumerate(file, start=2):
                try:
                    yield _decode(line)
                except msgspec.DecodeError as error:
                    raise StateUnusable(f"{self._path}:{number} is damaged: {error}") from error

    def append(self, given: Request[object] | Step) -> None:
        """Returns when the operating system has it, so that the death of this process cannot lose it.

        Raises Unwritable when it cannot be kept, and then the log is what it was.
        """
        self._file.append(msgspec.json.encode(given) + b"\n")

    def save(self, name: str) -> None:
        """Keeps what the log holds now under the name, also beyond the end of this process. Raises StateUnusable."""
        kept = self._saved(name)
        try:
            kept.parent.mkdir(exist_ok=True)
            _copy(self._path, kept)
        except OSError as error:
            raise StateUnusable(f"{kept} cannot be written: {error.strerror}") from error

    def return_to(self, name: str) -> None:
        """The log holds again what it held when this was saved.

        Raises StateUnusable when nothing of this name was, or it cannot be copied; the log then goes on as it is.
        """
        kept = self._saved(name)
        if not kept.exists():
            raise StateUnusable(f"nothing was saved as {name}")
        try:
            _copy(kept, self._path)
            # The old file stays open until there is a new one to write to.
            returned = LineFile(self._path)
        except OSError as error:
            raise StateUnusable(f"{kept} cannot be come back to: {error.strerror}") from error
        self._file.close()
        self._file = returned

    def close(self) -> None:
        self._file.close()

    def _saved(self, name: str) -> Path:
        return self._path.parent / "saved" / f"{name}.jsonl"

    def _begun_with(self, first: bytes, later: Collection[str]) -> dict[str, Any]:
        try:
            kept: dict[str, Any] = json.loads(first)
        except ValueError as error:
            raise StateUnusable(f"{self._path} does not begin with a header; move it away to begin anew") from error
        wanted = {name: value for name, value in self._header.items() if name in kept or name not in later}
        if kept != wanted:
            differing = sorted(name for name in {*kept, *wanted} if kept.get(name) != wanted.get(name))
            raise StateUnusable(
                f"{self._path} keeps an exchange with another {', '.join(differing)}; "
                "start with what it was begun with, or with an empty state folder"
            )
        return kept


def _copy(source: Path, target: Path) -> None:
    """Whole or not at all: a process that dies meanwhile leaves what was there."""
    new = target.with_suffix(".new")
    try:
        copyfile(source, new)
        new.replace(target)
    except OSError:
        new.unlink(missing_ok=True)
        raise
