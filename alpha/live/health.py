"""Who is alive: `listener:{account}` and `feed` in the state database, `{bot}:heartbeat` in the bot's own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import redis

from alpha.domain.ids import AccountName, BotId
from alpha.live.answers import hash_of, write_hash
from alpha.live.databases import Command, execute
from alpha.live.epoch_hash import replace_hash_command
from alpha.live.wire import ms, now, parse_count, parse_ms

ALIVE_FOR = timedelta(seconds=5)
_FORGOTTEN_AFTER = timedelta(minutes=10)
FEED_KEY = "feed"


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenerHealth:
    """One account's private stream. `state` is one of connecting, authenticated, subscribed, recovering, live, stale,
    closed; only `live` (fresh) lets a bot open risk. `proven_until` is market time, the rest wall time."""

    account: AccountName
    state: str
    since: datetime
    epoch: int
    last_frame_at: datetime | None
    proven_until: datetime | None
    backlog: int
    drifted: bool
    updated_at: datetime

    def is_live(self, at: datetime | None = None) -> bool:
        """Whether the stream delivers and its listener said so within the last 5 s."""
        return self.state == "live" and (at or now()) - self.updated_at < ALIVE_FOR


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedHealth:
    """The market feed. `last_bar_at` is market time (end of the newest closed bar), the rest wall time."""

    state: str
    last_frame_at: datetime | None
    last_bar_at: datetime | None
    updated_at: datetime

    def is_live(self, at: datetime | None = None) -> bool:
        return self.state == "live" and (at or now()) - self.updated_at < ALIVE_FOR


@dataclass(frozen=True, slots=True, kw_only=True)
class Heartbeat:
    """A bot's sign of life, written every second by the bot itself. `last_bar_at` is market time, the rest wall time;
    `started_at` is when its process began."""

    bot: BotId
    state: str
    pid: int
    run: str
    last_bar_at: datetime | None
    updated_at: datetime
    started_at: datetime | None = None

    def is_alive(self, at: datetime | None = None) -> bool:
        return (at or now()) - self.updated_at < ALIVE_FOR


def listener_key(account: AccountName) -> str:
    return f"listener:{account}"


def heartbeat_key(bot: BotId) -> str:
    return f"{bot}:heartbeat"


def write_listener_health(client: redis.Redis, health: ListenerHealth) -> bool:
    """False when a listener of a newer epoch has written it: nothing is changed then."""
    return not execute(client, listener_health_command(health))


def listener_health_command(health: ListenerHealth) -> Command:
    """The same as a command of the state database. It answers 0, or the newer epoch that is there."""
    fields = {
        "state": health.state,
        "since": ms(health.since),
        "epoch": str(health.epoch),
        "last_frame_at": ms(health.last_frame_at),
        "proven_until": ms(health.proven_until),
        "backlog": str(health.backlog),
        "drifted": "1" if health.drifted else "0",
        "updated_at": ms(health.updated_at),
    }
    forgotten_after_ms = int(_FORGOTTEN_AFTER.total_seconds() * 1000)
    return replace_hash_command(
        listener_key(health.account), health.epoch, fields, forgotten_after_ms=forgotten_after_ms
    )


def read_listener_health(client: redis.Redis, account: AccountName) -> ListenerHealth | None:
    """None when no listener has reported within the last ten minutes."""
    return listener_health_of(account, hash_of(client, listener_key(account)))


def listener_health_of(account: AccountName, fields: Mapping[str, str]) -> ListenerHealth | None:
    """What a hash says; None where it says nothing."""
    since, updated_at = parse_ms(fields.get("since")), parse_ms(fields.get("updated_at"))
    if since is None or updated_at is None:
        return None
    return ListenerHealth(
        account=account,
        state=fields.get("state", ""),
        since=since,
        epoch=parse_count(fields.get("epoch")),
        last_frame_at=parse_ms(fields.get("last_frame_at")),
        proven_until=parse_ms(fields.get("proven_until")),
        backlog=parse_count(fields.get("backlog")),
        drifted=fields.get("drifted") == "1",
        updated_at=updated_at,
    )


def write_feed_health(client: redis.Redis, health: FeedHealth) -> None:
    _write(
        client,
        FEED_KEY,
        {
            "state": health.state,
            "last_frame_at": ms(health.last_frame_at),
            "last_bar_at": ms(health.last_bar_at),
            "updated_at": ms(health.updated_at),
        },
    )


def read_feed_health(client: redis.Redis) -> FeedHealth | None:
    return feed_health_of(hash_of(client, FEED_KEY))


def feed_health_of(fields: Mapping[str, str]) -> FeedHealth | None:
    """What a hash says; None where it says nothing."""
    updated_at = parse_ms(fields.get("updated_at"))
    if updated_at is None:
        return None
    return FeedHealth(
        state=fields.get("state", ""),
        last_frame_at=parse_ms(fields.get("last_frame_at")),
        last_bar_at=parse_ms(fields.get("last_bar_at")),
        updated_at=updated_at,
    )


def write_heartbeat(client: redis.Redis, heartbeat: Heartbeat) -> None:
    """In the bot's own database."""
    _write(
        client,
        heartbeat_key(heartbeat.bot),
        {
            "state": heartbeat.state,
            "pid": str(heartbeat.pid),
            "run": heartbeat.run,
            "last_bar_at": ms(heartbeat.last_bar_at),
            "updated_at": ms(heartbeat.updated_at),
            "started_at": ms(heartbeat.started_at),
        },
    )


def read_heartbeat(client: redis.Redis, bot: BotId) -> Heartbeat | None:
    return heartbeat_of(bot, hash_of(client, heartbeat_key(bot)))


def heartbeat_of(bot: BotId, fields: Mapping[str, str]) -> Heartbeat | None:
    """What a hash says; None where it says nothing."""
    updated_at = parse_ms(fields.get("updated_at"))
    if updated_at is None:
        return None
    return Heartbeat(
        bot=bot,
        state=fields.get("state", ""),
        pid=parse_count(fields.get("pid")),
        run=fields.get("run", ""),
        last_bar_at=parse_ms(fields.get("last_bar_at")),
        updated_at=updated_at,
        started_at=parse_ms(fields.get("started_at")),
    )


def _write(client: redis.Redis, key: str, fields: dict[str, str]) -> None:
    pipe = client.pipeline(transaction=True)
    write_hash(pipe, key, fields)
    pipe.pexpire(key, _FORGOTTEN_AFTER)
    pipe.execute()
