"""The command centre of a platform that has no token of Telegram's: nobody commands, and what was commanded is kept.

A kill that was asked for in a terminal is finished and held here as well, so the process is worth having.
"""

from __future__ import annotations

from collections.abc import Mapping

import structlog

from alpha.config.registry import Registry
from alpha.config.settings import Settings
from alpha.service.alerts import AlertWriter
from alpha.service.health import HealthServer
from alpha.service.listed_symbols import ListingWatch
from alpha.service.shutdown import StopSignal
from telegram_manager.commanding.desk import Desk
from telegram_manager.commanding.keeper import Keeper

log = structlog.get_logger(__name__)

SAYS = "C2_TELEGRAM_BOT_TOKEN is not set: there is no command centre in Telegram; `alpha c2` answers in a terminal"


def run_without_telegram(settings: Settings, registry: Registry, environ: Mapping[str, str]) -> None:
    """Until SIGTERM or SIGINT, or until a symbol is listed that it does not know and no kill is being carried out."""
    stop = StopSignal().install()
    alerts = AlertWriter(settings.dsn(), settings.redis(), "telegram_manager")
    desk = Desk.open(settings, registry, environ, alerts=alerts)
    keeper = Keeper(desk)
    ListingWatch(settings, registry, stop, may_end=lambda: not desk.runs).start()
    health = HealthServer(settings.telegram_port, lambda: {"ok": True, "telegram": SAYS}, host=settings.health_host)
    try:
        keeper.start()
        health.start()
        log.warning("no_telegram", hint=SAYS)
        stop.wait()
    finally:
        keeper.stop()
        health.stop()
        desk.close()
        alerts.close()
