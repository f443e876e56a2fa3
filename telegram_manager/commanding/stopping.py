"""Stopping a bot: its process ends, its resting entries are cancelled, its positions stay under their stops."""

from __future__ import annotations

import time
from dataclasses import dataclass
from decimal import Decimal

from alpha.config.registry import BotConfig
from alpha.domain.errors import AlphaError
from alpha.domain.ids import BotId, Symbol
from alpha.domain.order import Order
from alpha.domain.order_link_id import OrderLinkId
from alpha.exchange.account_state import ExchangePosition
from alpha.exchange.errors import ExchangeError, ExchangeRefused
from alpha.exchange.rest import ExchangeClient
from alpha.ledger.controls import DesiredState, bot_scope, set_control
from telegram_manager.bot_control.interface import BotState
from telegram_manager.commanding.desk import Desk, Progress, say_nothing
from telegram_manager.commanding.reach import Reach, reaches

ENDED_WITHIN_S = 20.0

_LOOK_EVERY_S = 0.2
_CANCEL_TRIES = 5
_TRY_AGAIN_S = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenPosition:
    """A position that stays open, and the stops at the exchange that guard it. `quantity` is signed, in base units;
    prices that are not set are None; `trailing_stop` is a distance."""

    symbol: Symbol
    quantity: Decimal
    entry_price: Decimal
    mark_price: Decimal | None
    unrealized_pnl: Decimal
    stop_loss: Decimal | None
    take_profit: Decimal | None
    trailing_stop: Decimal | None

    @property
    def is_guarded(self) -> bool:
        return self.stop_loss is not None or self.trailing_stop is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class StopReport:
    """`ended`: the process is gone. `entries_left` are entries that could not be cancelled. `unknown` says why
    positions and orders could not be read, "" when they were."""

    bot: BotId
    ended: bool
    state: BotState | None
    entries_cancelled: tuple[Order, ...]
    entries_left: tuple[Order, ...]
    positions: tuple[OpenPosition, ...]
    unknown: str
    took_s: float

    @property
    def ok(self) -> bool:
        return self.ended and not self.entries_left and not self.unknown


def stop_bot(
    desk: Desk,
    bot: BotId,
    *,
    by: str,
    why: str,
    within_s: float = ENDED_WITHIN_S,
    progress: Progress = say_nothing,
) -> StopReport:
    """Writes that the bot shall not run, ends it, and cancels what it left resting to open risk.

    Nothing is sold. Raises ConfigError and LedgerError (nothing was done), BotControlError (it is written, and done as
    soon as it can be).
    """
    config = desk.registry.bot(bot)
    began_s = time.monotonic()
    with desk.ledger() as connection:
        set_control(connection, bot_scope(config.id), by=by, why=why, desired_state=DesiredState.STOPPED)
    progress(f"{config.id} is being stopped")
    desk.control.stop(config.id)
    ended = _has_ended(desk, config.id, within_s)
    (reach,) = reaches(desk.registry, bot_scope(config.id))
    cancelled: tuple[Order, ...] = ()
    left: tuple[Order, ...] = ()
    positions: tuple[OpenPosition, ...] = ()
    unknown = ""
    try:
        with desk.exchange.client(config.account) as client:
            # A bot cancels its entries itself before it ends; one that was killed, or is down, could not.
            cancelled, left = cancel_entries(client, config, reach)
            positions = open_positions(client, reach)
    except AlphaError as error:
        unknown = str(error)
    return StopReport(
        bot=config.id,
        ended=ended,
        state=desk.control.states()[config.id],
        entries_cancelled=cancelled,
        entries_left=left,
        positions=positions,
        unknown=unknown,
        took_s=time.monotonic() - began_s,
    )


def cancel_entries(client: ExchangeClient, bot: BotConfig, reach: Reach) -> tuple[tuple[Order, ...], tuple[Order, ...]]:
    """Cancels the bot's own orders that open risk: what was cancelled, and what could not be. Raises ExchangeError when
    its orders cannot be read."""
    cancelled: dict[str, Order] = {}
    for attempt in range(_CANCEL_TRIES):
        entries = [order for order in client.open_orders(reach.symbols) if is_entry_of(bot, reach, order)]
        if not entries:
            return tuple(cancelled.values()), ()
        if attempt:
            time.sleep(_TRY_AGAIN_S)
        for order in entries:
            try:
                client.cancel_order(order.symbol, order_id=order.order_id)
                cancelled[order.order_id] = order
            except ExchangeRefused as error:
                if error.is_order_gone:
                    continue
            except ExchangeError:
                continue
    left = tuple(order for order in client.open_orders(reach.symbols) if is_entry_of(bot, reach, order))
    return tuple(order for order in cancelled.values() if order not in left), left


def is_entry_of(bot: BotConfig, reach: Reach, order: Order) -> bool:
    """Whether the order is this bot's by its tag, and opens risk."""
    link = OrderLinkId.parse(order.order_link_id)
    if link is None or link.code != bot.code or not reach.covers(order.symbol, order.position_idx):
        return False
    return link.reason.opens_risk and not order.reduce_only


def open_positions(client: ExchangeClient, reach: Reach) -> tuple[OpenPosition, ...]:
    """What is held within reach now. Raises ExchangeError."""
    return tuple(
        _open_position(position)
        for position in client.positions()
        if not position.position.is_flat and reach.covers(position.symbol, position.position_idx)
    )


def _open_position(position: ExchangePosition) -> OpenPosition:
    return OpenPosition(
        symbol=position.symbol,
        quantity=position.position.quantity,
        entry_price=position.position.entry_price,
        mark_price=position.mark_price,
        unrealized_pnl=position.unrealized_pnl,
        stop_loss=position.stop_loss,
        take_profit=position.take_profit,
        trailing_stop=position.trailing_stop,
    )


def _has_ended(desk: Desk, bot: BotId, within_s: float) -> bool:
    give_up_s = time.monotonic() + within_s
    while desk.control.states()[bot].is_running:
        if time.monotonic() >= give_up_s:
            return False
        time.sleep(_LOOK_EVERY_S)
    return True
