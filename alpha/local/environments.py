"""The environment that each process of a local platform gets: its own login and its own keys, and no others."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping

from alpha.config.registry import AccountConfig, Registry
from alpha.config.settings import Settings
from alpha.ledger.connection import Dsn
from alpha.live.connection import RedisAddress

LOGINS = {
    "listener": "ledger_writer",
    "bot": "bot",
    "reader": "reader",
    "commander": "commander",
    "sync": "sync_writer",
}
"""Role of a process -> the group its login is a member of. The role `owner` is the database's owner itself."""

ROLES = ("owner", *LOGINS)

_OURS = re.compile(r"(ALPHA|POSTGRES|REDIS|BYBIT|C2)_\w+|\w+_(BYBIT_API_(KEY|SECRET)|TELEGRAM_(BOT_TOKEN|CHANNEL_ID))")
_TELEGRAM_TOKEN = "C2_TELEGRAM_BOT_TOKEN"
_TELEGRAM = re.compile(r"C2_\w+|\w+_TELEGRAM_(BOT_TOKEN|CHANNEL_ID)")


def inherited_environment(registry: Registry) -> dict[str, str]:
    """This process's environment without anything of ours, so that a child has only what it is given."""
    named = {name for account in registry.accounts.values() for name in (account.key_env, account.secret_env)}
    named |= {name.upper() for name in Settings.model_fields}
    return {name: value for name, value in os.environ.items() if name not in named and not _OURS.fullmatch(name)}


def connection_environment(dsn: Dsn, redis: RedisAddress) -> dict[str, str]:
    """How to reach the two servers in one role."""
    return {
        "POSTGRES_HOST": dsn.host,
        "POSTGRES_PORT": str(dsn.port),
        "POSTGRES_DB": dsn.dbname,
        "POSTGRES_USER": dsn.user,
        "POSTGRES_PASSWORD": dsn.password,
        "REDIS_HOST": redis.host,
        "REDIS_PORT": str(redis.port),
        "REDIS_PASSWORD": redis.password,
    }


def key_environment(accounts: Iterable[AccountConfig], keys: Mapping[str, tuple[str, str]]) -> dict[str, str]:
    """Key and secret of the accounts, under the names that bots.yaml gives them."""
    found: dict[str, str] = {}
    for account in accounts:
        found[account.key_env], found[account.secret_env] = keys[account.name]
    return found


def telegram_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """What the Telegram command centre is configured with; empty without a token of its bot."""
    if not environ.get(_TELEGRAM_TOKEN, "").strip():
        return {}
    return {name: value for name, value in environ.items() if _TELEGRAM.fullmatch(name)}
