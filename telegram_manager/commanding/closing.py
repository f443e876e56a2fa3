"""Closing everything of one account, until the exchange itself shows that nothing is left.

Nothing here needs PostgreSQL, Redis or a bot: only the exchange and the account's own key.
"""

from __future__ import annotations

import itertools
import secrets
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import TypeVar

import structlog

from alpha.domain.ids import BotId, OrderId, Symbol
from alpha.domain.order import Order, OrderType
from alpha.domain.order_link_id import OrderLinkId
from alpha.domain.reason import Reason
from alpha.domain.side import Side
from alpha.exchange.account_state import ExchangePosition
from alpha.exchange.backoff import Backoff
from alpha.exchange.errors import ExchangeError, ExchangeRateLimited, ExchangeRefused, ExchangeUnknown
from alpha.exchange.new_order import CancelKind, NewOrder
from alpha.exchange.rest import ExchangeClient
from telegram_manager.commanding.evidence import AccountEvidence, Close, Left
from telegram_manager.commanding.reach import Reach

log = structlog.get_logger(__name__)

T = TypeVar("T")

_POSITION_STOPS = frozenset({"StopLoss", "TakeProfit", "TrailingStop", "PartialStopLoss", "PartialTakeProfit"})
_MOST_PIECES = 20
"""Of one position, sent in one round: more only takes longer."""
_MANY_ORDERS = 5
"""So many of one symbol are cancelled together."""
_AFTER_CHANGE_S = 0.1
_BETWEEN_READINGS_S = 0.3
"""Bybit's lists lag: what one reading does not show, the next one may."""
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.15, 2.0


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose closing order it is, so that its fills are that bot's."""

    bot: BotId
    code: str


@dataclass(frozen=True, slots=True)
class _Reading:
    """What the exchange showed, orders asked for before positions: an order that fills in between is then seen as the
    position it made. `orders` None: they could not be read."""

    at: datetime
    orders: tuple[Order, ...] | None
    positions: tuple[ExchangePosition, ...]

    @property
    def shows_nothing(self) -> bool:
        return self.orders == () and not self.positions


class Closing:
    """Cancels every order within reach, closes every position by reducing orders, and reads until nothing is left.

    The order of things: what may fill is cancelled first; positions are closed while their stops still stand, so that
    none is unprotected while the exchange answers with errors; then whatever is left is cancelled. A round that fails
    in one thing does the others, and the next one begins anew from what the exchange shows. One thread runs it; others
    may ask for `evidence`.
    """

    def __init__(
        self,
        client: ExchangeClient,
        reach: Reach,
        *,
        kill: str,
        asked_at: datetime,
        asked_s: float,
        owners: Mapping[tuple[Symbol, int], Owner],
        watched: Iterable[Symbol],
        largest_order: Callable[[Symbol], Decimal | None],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`owners` by (symbol, position index), `watched` are the symbols that must be shown to be flat by name,
        `largest_order` tells the largest market order of a symbol, None when it is not known. `asked_s` is the
        monotonic time of the order to close."""
        self._client, self._reach, self._kill = client, reach, kill
        self._asked_at, self._asked_s, self._monotonic = asked_at, asked_s, monotonic
        self._owners, self._watched, self._largest_order = owners, set(watched), largest_order
        # An earlier run of the same kill has sent orders too, whose ids must not come again.
        self._run = f"{kill}-{secrets.token_hex(4)}"
        self._ordinals = itertools.count()
        self._backoff = Backoff(first_s=_FIRST_PAUSE_S, cap_s=_LONGEST_PAUSE_S)
        self._is_swept = False
        self._clean_readings = 0
        self._wait_s = 0.0
        self._failed = False
        self._changed = False
        self._is_unknown = False
        self._first_cancel_s: float | None = None
        self._cancelled: dict[OrderId, None] = {}
        self._closes: list[Close] = []
        self._last_change_at: datetime | None = None
        self._reading: _Reading | None = None
        self._readings = 0
        self._errors = 0
        self._last_error = ""
        self._proven_s: float | None = None

    @property
    def is_proven(self) -> bool:
        return self._proven_s is not None

    def evidence(self) -> AccountEvidence:
        """How far it is now; from any thread."""
        reading = self._reading
        end_s = self._monotonic() if self._proven_s is None else self._proven_s
        return AccountEvidence(
            account=self._reach.account,
            proven=self.is_proven,
            first_cancel_s=self._first_cancel_s,
            orders_cancelled=tuple(self._cancelled),
            closes=tuple(self._closes),
            last_change_at=self._last_change_at,
            reading_at=None if reading is None else reading.at,
            orders_left=None if reading is None or reading.orders is None else len(reading.orders),
            positions_left=None if reading is None else tuple(_left(position) for position in reading.positions),
            readings=self._readings,
            errors=self._errors,
            last_error=self._last_error,
            took_s=end_s - self._asked_s,
        )

    def run(self, stop: threading.Event) -> bool:
        """Rounds until it is proven, True then, or until `stop` is set."""
        while not stop.is_set():
            if self.round():
                return True
            stop.wait(self.pause_s())
        return False

    def round(self) -> bool:
        """Does what there is to do now. True when it is proven that nothing is left."""
        self._failed = self._changed = False
        self._wait_s = 0.0
        if not self._is_swept:
            self._is_swept = self._sweep()
        reading = self._read()
        if reading is None:
            self._clean_readings = 0
            return False
        self._reading = reading
        if reading.shows_nothing:
            return self._confirm()
        self._clean_readings = 0
        for position in reading.positions:
            self._close(position, reading.orders or ())
        self._cancel_left(reading)
        return False

    def reopen(self) -> None:
        """Takes the proof back: something may be there again, and rounds begin anew."""
        self._is_swept, self._clean_readings, self._proven_s = False, 0, None

    def shows_nothing(self) -> bool | None:
        """One look without doing anything; None when the exchange could not be asked."""
        reading = self._read()
        if reading is None or reading.orders is None:
            return None
        self._reading = reading
        return reading.shows_nothing

    # Cancelling.

    def _sweep(self) -> bool:
        """The first cancels, before anything is asked. One side of a symbol has none that spare the other."""
        if self._reach.position_idx is not None:
            return True
        symbols: Sequence[Symbol | None] = (None,) if self._reach.symbols is None else sorted(self._reach.symbols)
        swept = True
        for kind in (CancelKind.ACTIVE, CancelKind.CONDITIONAL):
            for symbol in symbols:
                swept &= self._cancel_all(symbol, kind)
        return swept

    def _cancel_left(self, reading: _Reading) -> None:
        """What is still open but the stops of open positions, and closing orders that wait to be matched."""
        open_sides = {(position.symbol, position.position_idx) for position in reading.positions}
        left: dict[Symbol, list[Order]] = {}
        for order in reading.orders or ():
            is_protecting = (
                order.stop_order_type in _POSITION_STOPS and (order.symbol, order.position_idx) in open_sides
            )
            if not is_protecting and not _is_closing(order):
                left.setdefault(order.symbol, []).append(order)
        open_symbols = {symbol for symbol, _ in open_sides}
        for symbol, orders in left.items():
            if len(orders) > _MANY_ORDERS and symbol not in open_symbols and self._reach.position_idx is None:
                self._cancel_all(symbol, CancelKind.EVERYTHING)
                continue
            for order in orders:
                self._cancel(order)

    def _cancel_all(self, symbol: Symbol | None, kind: CancelKind) -> bool:
        self._note_first_cancel()
        cancelled = self._change(lambda: self._client.cancel_all(symbol, kind=kind))
        for order_id in cancelled or ():
            self._cancelled[order_id] = None
        return cancelled is not None

    def _cancel(self, order: Order) -> None:
        self._note_first_cancel()
        cancelled = self._change(
            lambda: self._client.cancel_order(order.symbol, order_id=order.order_id), fine=_is_order_gone
        )
        if cancelled is not None:
            self._cancelled[cancelled] = None

    def _note_first_cancel(self) -> None:
        if self._first_cancel_s is None:
            self._first_cancel_s = self._monotonic() - self._asked_s

    # Closing.

    def _close(self, position: ExchangePosition, orders: Iterable[Order]) -> None:
        symbol, position_idx = position.symbol, position.position_idx
        if any(_is_closing(order) and (order.symbol, order.position_idx) == (symbol, position_idx) for order in orders):
            return  # it waits for its match, and another one would only be refused
        left = position.position.size
        side = Side.SELL if position.position.quantity > 0 else Side.BUY
        largest = self._largest_order(symbol) or left
        for _ in range(_MOST_PIECES):
            quantity = min(left, largest)
            close = Close(
                symbol=symbol,
                side=side,
                quantity=quantity,
                order_link_id=self._order_link_id(symbol, position_idx),
            )
            if not self._send(close, position_idx):
                return
            self._closes.append(close)
            left -= quantity
            if left <= 0:
                return

    def _send(self, close: Close, position_idx: int) -> bool:
        """Whether it is, or may be, at the exchange."""
        order = NewOrder(
            symbol=close.symbol,
            side=close.side,
            order_type=OrderType.MARKET,
            quantity=close.quantity,
            order_link_id=close.order_link_id,
            reduce_only=True,
            position_idx=position_idx,
        )
        errors = self._errors
        if self._change(lambda: self._client.place_order(order), fine=_is_nothing_to_reduce) is not None:
            return True
        return self._errors > errors and self._is_unknown

    def _order_link_id(self, symbol: Symbol, position_idx: int) -> str:
        owner = self._owners.get((symbol, position_idx)) or self._owners.get((symbol, 0))
        link = OrderLinkId.for_decision(
            code="kill" if owner is None else owner.code,
            bot=BotId("") if owner is None else owner.bot,
            run=self._run,
            symbol=symbol,
            bar=self._asked_at,
            reason=Reason.FLATTEN,
            ordinal=next(self._ordinals),
        )
        # A position that no bot of ours made is closed under a tag that is no bot's.
        return f"kill-{link.nonce}" if owner is None else str(link)

    # Reading.

    def _read(self) -> _Reading | None:
        at = datetime.now(UTC)
        reach = self._reach
        orders = self._ask(lambda: self._client.open_orders(reach.symbols))
        positions = self._ask(self._client.positions)
        if positions is None:
            return None
        self._readings += 1
        within = tuple(row for row in positions if reach.covers(row.symbol, row.position_idx))
        self._watched.update(row.symbol for row in within)
        if orders is not None:
            orders = [order for order in orders if reach.covers(order.symbol, order.position_idx)]
        return _Reading(
            at=at,
            orders=None if orders is None else tuple(orders),
            positions=tuple(row for row in within if not row.position.is_flat),
        )

    def _confirm(self) -> bool:
        """Two readings in a row show nothing, and the second is followed by the flat row of every symbol: an empty list
        may also be a list that could not be read."""
        self._clean_readings += 1
        if self._clean_readings < 2 or not all(self._is_shown_flat(symbol) for symbol in sorted(self._watched)):
            return False
        self._proven_s = self._monotonic()
        return True

    def _is_shown_flat(self, symbol: Symbol) -> bool:
        rows = self._ask(lambda: self._client.positions_of(symbol)) or []
        mine = [row for row in rows if self._reach.covers(row.symbol, row.position_idx)]
        return bool(mine) and all(row.position.is_flat for row in mine)

    # How the exchange is asked.

    def _change(self, call: Callable[[], T], *, fine: Callable[[ExchangeRefused], bool] | None = None) -> T | None:
        """A change, once. None when it failed, or when the refusal is `fine`: then there was nothing to do."""
        try:
            return call()
        except ExchangeError as error:
            if isinstance(error, ExchangeRefused) and fine is not None and fine(error):
                return None
            self._note(error)
            return None
        finally:
            self._changed = True
            self._last_change_at = datetime.now(UTC)

    def _ask(self, call: Callable[[], T]) -> T | None:
        try:
            return call()
        except ExchangeError as error:
            self._note(error)
            return None

    def _note(self, error: ExchangeError) -> None:
        self._failed = True
        self._is_unknown = isinstance(error, ExchangeUnknown)
        self._errors += 1
        self._last_error = str(error)
        if isinstance(error, ExchangeRateLimited):
            self._wait_s = max(self._wait_s, error.retry_after_s)
        log.warning("closing_failed", kill=self._kill, account=self._reach.account, error=str(error))

    def pause_s(self) -> float:
        """How long to wait before the next round."""
        if self._failed:
            return max(self._backoff.next_delay_s(), self._wait_s)
        self._backoff.reset()
        return _AFTER_CHANGE_S if self._changed else _BETWEEN_READINGS_S


def _is_closing(order: Order) -> bool:
    """A market order that only reduces, whoever sent it. It is on its way to be matched: at once on Bybit, at the next
    open on the paper exchange."""
    return order.reduce_only and order.order_type is OrderType.MARKET and not order.stop_order_type


def _is_order_gone(error: ExchangeRefused) -> bool:
    return error.is_order_gone


def _is_nothing_to_reduce(error: ExchangeRefused) -> bool:
    return error.is_nothing_to_reduce


def _left(position: ExchangePosition) -> Left:
    return Left(symbol=position.symbol, position_idx=position.position_idx, quantity=position.position.quantity)
