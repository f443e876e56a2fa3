"""Who logs in to PostgreSQL and Redis where every process has a login of its own, and where its passwords are."""

from __future__ import annotations

from dataclasses import dataclass

from alpha.config.registry import Registry


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceAccount:
    """One process of the platform: the same name in PostgreSQL and in Redis."""

    name: str
    group: str | None
    """Group role of its login (see database/roles.py); None: it does not use PostgreSQL."""
    uses_redis: bool = True

    @property
    def postgres_variable(self) -> str:
        """The variable of the environment that holds its password in PostgreSQL."""
        return f"{self.name.upper()}_POSTGRES_PASSWORD"

    @property
    def redis_variable(self) -> str:
        """The variable of the environment that holds its password in Redis."""
        return f"{self.name.upper()}_REDIS_PASSWORD"


LISTENER = ServiceAccount(name="websocket_listener", group="ledger_writer")
FEED = ServiceAccount(name="market_feed", group=None)
SYNC = ServiceAccount(name="trade_sync_service", group="sync_writer")
TELEGRAM = ServiceAccount(name="telegram_manager", group="commander")
BACKUP = ServiceAccount(name="postgres_backup", group="backup", uses_redis=False)
EXPORTER = ServiceAccount(name="exporter", group="reader")
GRAFANA = ServiceAccount(name="grafana", group="reader", uses_redis=False)

POOLER = "pgbouncer"
"""Login of PgBouncer itself, which may do nothing but look up how others prove who they are."""
POOLER_VARIABLE = "PGBOUNCER_PASSWORD"
BOARDS_VARIABLE = "GRAFANA_ADMIN_PASSWORD"
"""With which a person logs in to Grafana as admin."""


def service_accounts(registry: Registry) -> tuple[ServiceAccount, ...]:
    """Every process with a login of its own: the services, and each bot under its id."""
    bots = (ServiceAccount(name=bot, group="bot") for bot in registry.bots)
    return (LISTENER, FEED, SYNC, TELEGRAM, BACKUP, EXPORTER, GRAFANA, *bots)


def password_variables(registry: Registry) -> tuple[str, ...]:
    """The variables that hold a password which the platform makes up itself, for all of them."""
    found = ["POSTGRES_PASSWORD", "REDIS_PASSWORD", POOLER_VARIABLE, BOARDS_VARIABLE]
    for account in service_accounts(registry):
        found += [account.postgres_variable] if account.group else []
        found += [account.redis_variable] if account.uses_redis else []
    return tuple(found)
