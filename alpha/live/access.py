"""Access list of Redis: which keys and commands each process of the platform may use.

Redis' rules name keys and not databases, which is why every key carries the name of its bot, account or service
(https://redis.io/docs/latest/operate/oss_and_stack/management/security/acl/).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any, cast

import redis

from alpha.domain.ids import AccountName, BotId
from alpha.live.databases import execute

# Scripts are sent whole: whoever could load, flush or kill them or functions would reach into those of others.
_COMMANDS = ("+@all", "-@admin", "-@dangerous", "-@scripting", "+eval", "+info")
_EVERYBODY = (
    "(~rate:* +eval +pexpire +pttl +set +zadd +zcard +zrange +zremrangebyscore)",
    "(~bus:alerts +eval +xadd)",
)
"""The exchange's limits are shared by all, and everybody may alert: selectors, so that nobody deletes these keys."""
_MARKET = ("ticker:*", "bar:*", "feed")
_SHARED = ("listener:*", "controls", "freezes")


def bot_rules(bot: BotId, account: AccountName) -> tuple[str, ...]:
    """A bot reads what is its own and the market, and writes its sign of life and its state."""
    reads = (f"{bot}:*", *_MARKET, *_SHARED, f"wallet:{account}")
    writes = (f"{bot}:heartbeat", f"{bot}:state")
    return (*_own(f"bot-{bot}"), *_read(reads), *_whole(writes), *_COMMANDS)


def listener_rules(bots: Iterable[BotId]) -> tuple[str, ...]:
    """The listener writes everything that is told of accounts and bots, and reads the bars by which it measures round
    trips. It clears away a bot's positions by pattern."""
    keys = ("listener:*", "wallet:*", "controls", "freezes", "bus:*", *(f"{bot}:*" for bot in bots))
    return (*_own("listener"), *_whole(keys), *_read(("bar:*",)), *_COMMANDS, "+keys")


def feed_rules() -> tuple[str, ...]:
    """The feed writes the market."""
    return (*_own("feed"), *_whole(_MARKET), *_COMMANDS)


def watching_rules(service: str, *writes: str) -> tuple[str, ...]:
    """A service that looks at everything and writes little."""
    return (*_own(service), *_read(("*",)), *_whole(writes), *_COMMANDS)


def set_users(client: redis.Redis, users: Mapping[str, tuple[str, tuple[str, ...]]]) -> None:
    """Makes the access list these users (name -> password and rules) beside `default`. Raises a member of LIVE_ERRORS.

    Needs a client that may administer.
    """
    for name, (password, rules) in users.items():
        digest = hashlib.sha256(password.encode()).hexdigest()
        execute(client, ("ACL", "SETUSER", name, "reset", "on", f"#{digest}", *rules))
    there = cast("list[str]", cast(Any, execute(client, ("ACL", "USERS"))))
    gone = [name for name in there if name != "default" and name not in users]
    if gone:
        execute(client, ("ACL", "DELUSER", *gone))


def keep_users(client: redis.Redis) -> None:
    """Writes the access list to the server's file of it, which it must have. Raises a member of LIVE_ERRORS."""
    execute(client, ("ACL", "SAVE"))


def _own(service: str) -> tuple[str, ...]:
    return (*_EVERYBODY, f"~alerts:waiting:{service}", f"~degraded:{service}")


def _read(patterns: Iterable[str]) -> tuple[str, ...]:
    return tuple(f"%R~{pattern}" for pattern in patterns)


def _whole(patterns: Iterable[str]) -> tuple[str, ...]:
    return tuple(f"~{pattern}" for pattern in patterns)
