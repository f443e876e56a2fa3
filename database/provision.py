"""Gives every process of the platform its login in PostgreSQL and its user in Redis, from the passwords in the
environment, and lets PgBouncer look up how a login proves who it is."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing

import structlog

from alpha.config.registry import Registry
from alpha.config.service_accounts import (
    EXPORTER,
    FEED,
    LISTENER,
    POOLER,
    POOLER_VARIABLE,
    SYNC,
    TELEGRAM,
    service_accounts,
)
from alpha.config.settings import Settings
from alpha.ledger.connection import connect
from alpha.live.access import bot_rules, feed_rules, keep_users, listener_rules, set_users, watching_rules
from alpha.live.connection import STATE_DB, open_redis
from database.roles import close_logins, ensure_login, ensure_pooler

log = structlog.get_logger()


def provision_logins(settings: Settings, registry: Registry, environ: Mapping[str, str]) -> list[str]:
    """Logins of everybody whose password is given; returns their names. Run again it changes nothing, or a password.

    Bots that the registry does not know any more cannot log in from then on. Where no bot's password is given nobody
    has a login of its own, and nothing is taken from anybody.
    """
    made: list[str] = []
    with closing(connect(settings.dsn(), "provision")) as connection:
        for account in service_accounts(registry):
            password = environ.get(account.postgres_variable, "")
            if account.group is not None and password:
                ensure_login(connection, account.name, password, account.group)
                made.append(account.name)
        if environ.get(POOLER_VARIABLE):
            ensure_pooler(connection, POOLER, environ[POOLER_VARIABLE])
            made.append(POOLER)
        if not registry.bots.keys().isdisjoint(made):
            gone = close_logins(connection, "bot", keep=registry.bots.keys())
            if gone:
                log.info("logins_closed", names=gone)
    return made


def provision_access(settings: Settings, registry: Registry, environ: Mapping[str, str]) -> list[str]:
    """Users of Redis for everybody whose password is given; returns their names.

    Users that the registry does not know any more are removed.
    """
    rules = _rules(registry)
    users = {
        account.name: (environ[account.redis_variable], rules[account.name])
        for account in service_accounts(registry)
        if account.uses_redis and environ.get(account.redis_variable)
    }
    if users:
        with open_redis(settings.redis(), STATE_DB) as client:
            set_users(client, users)
            keep_users(client)
    return list(users)


def _rules(registry: Registry) -> dict[str, tuple[str, ...]]:
    return {
        LISTENER.name: listener_rules(registry.bots),
        FEED.name: feed_rules(),
        SYNC.name: watching_rules(SYNC.name),
        TELEGRAM.name: watching_rules(TELEGRAM.name, "freezes"),
        EXPORTER.name: watching_rules(EXPORTER.name),
        **{bot.id: bot_rules(bot.id, bot.account) for bot in registry.bots.values()},
    }
