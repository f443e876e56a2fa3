"""Writing what Redis holds of a bot anew, because a person wants it so.

Redis has one writer per bot: the listener that holds the bot's account. While one does, it is asked to, by a wish in
the bot's database that it sees when it next confirms the positions, and nobody else writes. Without one the ledger's
own is written under the epoch that the ledger has: positions as last told (not confirmed by anybody, so bots open
nothing on them), open orders, fills, and what the bot keeps. A listener that starts meanwhile has a higher epoch and
writes over it. Wallets and health are the exchange's word and the listener's own: they come back with it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum, unique
from typing import Any, cast

import redis

from alpha.config.registry import BotConfig, Registry
from alpha.domain.clock import EPOCH
from alpha.domain.errors import AlphaError
from alpha.domain.ids import BotId
from alpha.exchange.account_state import ExchangePosition
from alpha.ledger.books import books_of_account
from alpha.ledger.bot_state import stored_states
from alpha.ledger.connection import Connection
from alpha.ledger.heads import account_heads
from alpha.ledger.orders import open_orders
from alpha.ledger.positions import positions_of
from alpha.ledger.reading import bot_head
from alpha.live import fill_stream
from alpha.live.bot_database import BotStep, NotTheWriter, Standing, claim, take_step
from alpha.live.bot_keys import fills_key, open_orders_key, position_key, rebuild_key
from alpha.live.bot_state import restore_state, state_key
from alpha.live.order_stream import report_of
from alpha.live.positions import LivePosition
from alpha.live.refill import refill

_WISH_LASTS_S = 30
_POLL_S = 0.02


@unique
class Rebuilder(StrEnum):
    LISTENER = "listener"
    LEDGER = "ledger"


class NotRebuilt(AlphaError):
    """The listener that holds the account did not do it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rebuilt:
    """What a bot's database holds now. Fills are those of its stream, from `first_fill` to `last_fill` (0: none)."""

    bot: BotId
    by: Rebuilder
    positions: int
    open_orders: int
    first_fill: int
    last_fill: int
    seconds: float


def rebuild(
    connection: Connection,
    client: redis.Redis,
    registry: Registry,
    bot: BotConfig,
    *,
    within_s: float = 10.0,
    pause: Callable[[float], None] = time.sleep,
) -> Rebuilt:
    """Rebuild one bot's database; `client` is of that database.

    Raises NotRebuilt when a listener holds the account and does not do it in time, NotTheWriter when Redis was written
    under a newer epoch than the ledger knows, LedgerError, and members of LIVE_ERRORS.
    """
    began_s = time.monotonic()
    head = account_heads(connection).get(bot.account)
    if head is not None and not head.lease_expired:
        _ask_listener(connection, client, bot, within_s, pause)
        by = Rebuilder.LISTENER
    else:
        _rebuild_from_ledger(connection, client, registry, bot, 0 if head is None else head.epoch)
        by = Rebuilder.LEDGER
    oldest = cast("list[tuple[str, Any]]", client.xrange(fills_key(bot.id), count=1))
    return Rebuilt(
        bot=bot.id,
        by=by,
        positions=sum(1 for _ in client.scan_iter(position_key(bot.id, cast(Any, "*")))),
        open_orders=len(client.hkeys(open_orders_key(bot.id))),
        first_fill=int(oldest[0][0].split("-")[0]) if oldest else 0,
        last_fill=fill_stream.last_seq(client, bot.id),
        seconds=round(time.monotonic() - began_s, 3),
    )


def _ask_listener(
    connection: Connection, client: redis.Redis, bot: BotConfig, within_s: float, pause: Callable[[float], None]
) -> None:
    give_up_s = time.monotonic() + within_s
    client.set(rebuild_key(bot.id), "1", ex=_WISH_LASTS_S)
    while client.exists(rebuild_key(bot.id)):
        _wait(give_up_s, pause, f"the listener that holds account {bot.account} did not take the wish for {bot.id}")
    head = bot_head(connection, bot.id)
    while fill_stream.last_seq(client, bot.id) < head:
        _wait(give_up_s, pause, f"the fills of {bot.id} up to {head} are not in its stream")


def _wait(give_up_s: float, pause: Callable[[float], None], what: str) -> None:
    if time.monotonic() > give_up_s:
        raise NotRebuilt(f"{what} in time: see its log and alpha status")
    pause(_POLL_S)


def _rebuild_from_ledger(
    connection: Connection, client: redis.Redis, registry: Registry, bot: BotConfig, epoch: int
) -> None:
    claim(client, bot.id, epoch)
    client.delete(state_key(bot.id))
    step = BotStep(
        bot=bot.id,
        epoch=epoch,
        emptied=True,
        positions=_positions(connection, registry, bot, epoch),
        open_orders=[report_of(order) for order, owner in open_orders(connection, bot.account) if owner == bot.id],
    )
    answer = take_step(client, step)
    if answer.standing is not Standing.WRITTEN:
        raise NotTheWriter(bot.id, epoch, answer.held)
    refill(connection, client, bot.id, epoch=epoch, last=0, head=bot_head(connection, bot.id))
    for stored in stored_states(connection, [bot.id]).values():
        restore_state(client, bot.id, {"cursor": stored.cursor, **stored.state}, epoch=epoch)


def _positions(connection: Connection, registry: Registry, bot: BotConfig, epoch: int) -> list[LivePosition]:
    """As the listener would show them, of what the ledger holds: the exchange's last word on an account of the bot's
    own, the fold with the exchange's prices and stops on a shared one."""
    said = {(each.symbol, each.position_idx): each for each in positions_of(connection, bot.account)}
    if len(registry.bots_on(bot.account)) == 1:
        return [_row(bot.id, each, epoch) for each in said.values() if bot.trades(each.symbol)]
    rows = []
    for book in books_of_account(connection, bot.account):
        there = said.get((book.key.symbol, book.key.position_idx))
        if book.key.bot != bot.id or there is None:
            continue
        row = _row(bot.id, there, epoch)
        mark_price = there.mark_price
        rows.append(
            LivePosition(
                bot=bot.id,
                symbol=row.symbol,
                position_idx=row.position_idx,
                position=book.position,
                mark_price=mark_price,
                unrealized_pnl=None if mark_price is None else book.position.unrealized_pnl(mark_price),
                liq_price=row.liq_price,
                stop_loss=row.stop_loss,
                take_profit=row.take_profit,
                trailing_stop=row.trailing_stop,
                seq=-1 if book.last is None else book.last.seq,
                epoch=epoch,
                changed_at=EPOCH if book.last is None else book.last.exec_time,
                updated_at=EPOCH,
            )
        )
    return rows


def _row(bot: BotId, said: ExchangePosition, epoch: int) -> LivePosition:
    return LivePosition(
        bot=bot,
        symbol=said.symbol,
        position_idx=said.position_idx,
        position=said.position,
        mark_price=said.mark_price,
        unrealized_pnl=None if said.mark_price is None else said.position.unrealized_pnl(said.mark_price),
        liq_price=said.liq_price,
        stop_loss=said.stop_loss,
        take_profit=said.take_profit,
        trailing_stop=said.trailing_stop,
        seq=-1 if said.seq is None else said.seq,
        epoch=epoch,
        changed_at=said.updated_at,
        # Nobody confirms it: it was so when it was last told.
        updated_at=EPOCH,
    )
