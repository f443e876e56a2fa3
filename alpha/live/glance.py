"""All that live state says of the platform and its bots, read together: one round trip over all databases."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeAlias, TypeVar, cast

from alpha.domain.ids import AccountName, BotId, Symbol
from alpha.domain.order import Order
from alpha.live.bot_keys import open_orders_key, position_key
from alpha.live.bot_state import state_key, state_of
from alpha.live.connection import STATE_DB, LiveStateError, RedisAddress, open_redis
from alpha.live.databases import Command, CommandRefused, Databases
from alpha.live.degraded import read_degraded
from alpha.live.health import (
    FEED_KEY,
    FeedHealth,
    Heartbeat,
    ListenerHealth,
    feed_health_of,
    heartbeat_key,
    heartbeat_of,
    listener_health_of,
    listener_key,
)
from alpha.live.order_stream import order_from_json
from alpha.live.positions import LivePosition, position_of
from alpha.live.wallet import LiveWallet, wallet_key, wallet_of

T = TypeVar("T")

Slot: TypeAlias = tuple[Symbol, int]
"""Symbol and positionIdx."""


@dataclass(frozen=True, slots=True)
class Watched:
    """A bot, the number of its database, and where it may hold positions."""

    bot: BotId
    database: int
    slots: tuple[Slot, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class BotGlance:
    """One bot's database. A slot whose position is not known, or not readable, is None."""

    heartbeat: Heartbeat | None = None
    positions: Mapping[Slot, LivePosition | None] = field(default_factory=dict)
    state: Mapping[str, Any] = field(default_factory=dict)
    orders: tuple[Order, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Glance:
    """What live state says at one moment."""

    accounts: Mapping[AccountName, ListenerHealth | None]
    wallets: Mapping[AccountName, LiveWallet | None]
    feed: FeedHealth | None
    bots: Mapping[BotId, BotGlance]
    degraded: Mapping[str, Sequence[Mapping[str, Any]]]
    """By service, what works less well than it should: part, cause, text, advice, since."""
    memory_bytes: int
    memory_limit_bytes: int
    """0: without a limit."""


def take_glance(address: RedisAddress, accounts: Sequence[AccountName], bots: Sequence[Watched]) -> Glance:
    """Raises a member of LIVE_ERRORS when Redis does not answer. What is unreadable counts as not known."""
    commands: list[tuple[int, Command]] = [(STATE_DB, ("INFO", "memory")), (STATE_DB, ("HGETALL", FEED_KEY))]
    commands += [(STATE_DB, ("HGETALL", listener_key(account))) for account in accounts]
    commands += [(STATE_DB, ("HGETALL", wallet_key(account))) for account in accounts]
    for each in bots:
        commands += [(each.database, command) for command in _of_bot(each)]
    with open_redis(address, STATE_DB) as client:
        with closing(Databases(client)) as databases:
            databases.connect()
            answers = iter(databases.ask(commands))
        degraded = read_degraded(client)
    memory = _numbers(next(answers))
    feed = _readable(feed_health_of, next(answers))
    health = {name: _readable(partial(listener_health_of, name), next(answers)) for name in accounts}
    wallets = {name: _readable(partial(wallet_of, name), next(answers)) for name in accounts}
    return Glance(
        accounts=health,
        wallets=wallets,
        feed=feed,
        bots={each.bot: _bot(each, answers) for each in bots},
        degraded=degraded,
        memory_bytes=memory.get("used_memory", 0),
        memory_limit_bytes=memory.get("maxmemory", 0),
    )


def _of_bot(watched: Watched) -> Iterator[Command]:
    yield "HGETALL", heartbeat_key(watched.bot)
    yield "GET", state_key(watched.bot)
    yield "HVALS", open_orders_key(watched.bot)
    for symbol, index in watched.slots:
        yield "HGETALL", position_key(watched.bot, symbol, index)


def _bot(watched: Watched, answers: Iterator[Any]) -> BotGlance:
    """Takes its answers in the order of `_of_bot`."""
    heartbeat = _readable(partial(heartbeat_of, watched.bot), next(answers))
    state, orders = _state(next(answers)), _orders(next(answers))
    positions = {
        (symbol, index): _readable(partial(_position, watched.bot, symbol, index), next(answers))
        for symbol, index in watched.slots
    }
    return BotGlance(heartbeat=heartbeat, positions=positions, state=state, orders=orders)


def _position(bot: BotId, symbol: Symbol, index: int, fields: Mapping[str, str]) -> LivePosition | None:
    return position_of(bot, symbol, index, fields) if fields else None


def _readable(read: Callable[[Mapping[str, str]], T | None], answer: object) -> T | None:
    """What is read of a hash, None where it is no hash or not ours."""
    try:
        return None if isinstance(answer, CommandRefused) else read(_pairs(answer))
    except LiveStateError:
        return None


def _pairs(answer: object) -> dict[str, str]:
    """A hash as the protocol tells it: names and values in turn."""
    flat = cast("list[str]", answer)
    return dict(zip(flat[::2], flat[1::2], strict=True))


def _state(answer: object) -> Mapping[str, Any]:
    try:
        return state_of(answer) if isinstance(answer, str) else {}
    except ValueError:
        return {}


def _orders(answer: object) -> tuple[Order, ...]:
    """Oldest first; what is no order is left out, as somebody else reads and reports it."""
    found = []
    for text in answer if isinstance(answer, list) else ():
        try:
            found.append(order_from_json(text))
        except LiveStateError:
            continue
    return tuple(sorted(found, key=lambda order: (order.created_at, order.order_id)))


def _numbers(answer: object) -> dict[str, int]:
    """The whole numbers in an answer to INFO."""
    lines = (line.partition(":") for line in str(answer).splitlines())
    return {name: int(value) for name, _, value in lines if value.isdigit()}
