"""Takes the status: live state and ledger, each as far as it answers."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from alpha.bot.result import LimitStanding
from alpha.config.registry import BotConfig, Registry
from alpha.config.settings import Settings
from alpha.domain.errors import Unreachable
from alpha.domain.ids import AccountName, BotId
from alpha.ledger.backups import BackupRow, last_try, newest_verified
from alpha.ledger.connection import LedgerUnavailable, connect
from alpha.ledger.controls import PLATFORM, Control, DesiredState, account_scope, bot_scope, load_controls
from alpha.ledger.recent import BotDay, BotResults, FillLine, bot_days, bot_results, last_fills
from alpha.ledger.servers import DatabaseStanding, PoolStanding, database_standing, pool_standing
from alpha.ledger.standing import AccountStanding, standings
from alpha.live.connection import LIVE_ERRORS
from alpha.live.glance import BotGlance, Glance, Watched, take_glance
from alpha.service.causes import Cause, cause_of
from telegram_manager.seeing.facts import BotStatus, DiskStanding, MemoryStanding, Status
from telegram_manager.seeing.problems import (
    backup_problems,
    degraded_problems,
    disk_problems,
    is_halted,
    ledger_problems,
    problems_of,
)
from telegram_manager.seeing.standing import standing_of

_ZERO = Decimal(0)
_NO_RESULTS = BotResults(fills=0, trades=0, realized_pnl=_ZERO, fees=_ZERO, funding=_ZERO, net_pnl=_ZERO)


class NothingAnswers(Unreachable):
    """Neither PostgreSQL nor Redis answers, so nothing is known."""


def take_status(
    settings: Settings,
    registry: Registry,
    *,
    at: datetime,
    bots: Sequence[BotId] | None = None,
    pids: Mapping[str, int | None] | None = None,
) -> Status:
    """Asks ledger and live state at the wall time `at`, and tells what one of them knows when the other is away.

    `bots` are those that run here, all of the registry without; `pids` the processes of a local platform. Raises
    NothingAnswers.
    """
    chosen = [registry.bots[bot] for bot in (registry.bots if bots is None else bots) if bot in registry.bots]
    glance, live_problem = _ask_redis(settings, registry, chosen)
    market_at = at if glance is None or glance.feed is None else glance.feed.last_bar_at or at
    ledger, ledger_problem = _ask_ledger(settings, registry, chosen, market_at.date())
    if ledger_problem and live_problem:
        raise NothingAnswers(f"{ledger_problem} {live_problem}")
    found = [_bot_status(bot, None if glance is None else glance.bots[bot.id], ledger, at) for bot in chosen]
    processes = pids or {}
    accounts = {} if glance is None else glance.accounts
    feed = None if glance is None else glance.feed
    degraded = {} if glance is None else glance.degraded
    disk = _disk(settings.alpha_home)
    return Status(
        at=at,
        mode=settings.alpha_mode,
        pids=processes,
        accounts=accounts,
        feed=feed,
        bots=found,
        problems=[
            *(problem for problem in (ledger_problem, live_problem) if problem),
            *degraded_problems(degraded),
            *problems_of(
                accounts, feed, found if glance is not None else [], processes, at, live_known=glance is not None
            ),
            *ledger_problems(ledger.standings),
            *backup_problems(ledger.backup, ledger.last_backup, at),
            *disk_problems(disk),
        ],
        standings=ledger.standings,
        degraded=degraded,
        ledger_known=not ledger_problem,
        live_known=glance is not None,
        market_at=market_at,
        wallets={} if glance is None else glance.wallets,
        database=ledger.database,
        pools=ledger.pools,
        is_pooled=settings.pooled,
        memory=None if glance is None else MemoryStanding(glance.memory_bytes, glance.memory_limit_bytes),
        disk=disk,
        backup=ledger.backup,
        last_backup=ledger.last_backup,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ledger:
    """What the ledger knows; nothing while it is away."""

    results: Mapping[BotId, BotResults] = field(default_factory=dict)
    today: Mapping[BotId, BotDay] = field(default_factory=dict)
    last_fills: Mapping[BotId, FillLine] = field(default_factory=dict)
    controls: Mapping[str, Control] = field(default_factory=dict)
    standings: Mapping[AccountName, AccountStanding] = field(default_factory=dict)
    database: DatabaseStanding | None = None
    pools: PoolStanding | None = None
    backup: BackupRow | None = None
    last_backup: BackupRow | None = None


def _ask_ledger(settings: Settings, registry: Registry, bots: Sequence[BotConfig], day: date) -> tuple[_Ledger, str]:
    """What it knows, and what is wrong with it."""
    dsn = settings.pooled_dsn()
    try:
        with closing(connect(dsn, "alpha-status", pooled=settings.pooled)) as connection:
            return _Ledger(
                results=bot_results(connection),
                today=bot_days(connection, day),
                last_fills=last_fills(connection, [bot.id for bot in bots]),
                controls=load_controls(connection),
                standings=standings(connection, registry.accounts),
                database=database_standing(connection),
                pools=pool_standing(dsn) if settings.pooled else None,
                backup=newest_verified(connection),
                last_backup=last_try(connection),
            ), ""
    except LedgerUnavailable as error:
        return _Ledger(), f"{error}. {cause_of(error, Cause.LEDGER_AWAY).advice}"


def _ask_redis(settings: Settings, registry: Registry, bots: Sequence[BotConfig]) -> tuple[Glance | None, str]:
    """The same of live state."""
    try:
        return take_glance(settings.redis(), tuple(registry.accounts), [_watched(bot) for bot in bots]), ""
    except LIVE_ERRORS as error:
        return None, (
            f"Redis at {settings.redis_host}:{settings.redis_port} does not answer: {error}. "
            f"{cause_of(error, Cause.REDIS_AWAY).advice}"
        )


def _watched(bot: BotConfig) -> Watched:
    indices = (0,) if bot.side is None else (1, 2)
    return Watched(bot.id, bot.redis_db, tuple((symbol, index) for symbol in bot.symbols for index in indices))


def _bot_status(bot: BotConfig, live: BotGlance | None, ledger: _Ledger, at: datetime) -> BotStatus:
    scopes = (PLATFORM, account_scope(bot.account), bot_scope(bot.id))
    over = [ledger.controls[scope] for scope in scopes if scope in ledger.controls]
    results = ledger.results.get(bot.id, _NO_RESULTS)
    beat = None if live is None else live.heartbeat
    told = beat.state if beat is not None and beat.is_alive(at) else None
    slots = {} if live is None else live.positions
    status = BotStatus(
        id=bot.id,
        account=bot.account,
        state=told or "silent",
        wanted=all(control.desired_state is DesiredState.RUNNING for control in over),
        entries_allowed=all(control.entries_allowed for control in over),
        positions=[position for position in slots.values() if position is not None and not position.position.is_flat],
        stale=any(position is None or not position.is_fresh(at) or position.drifted for position in slots.values()),
        fills=results.fills,
        trades=results.trades,
        realized_pnl=results.realized_pnl,
        fees=results.fees,
        funding=results.funding,
        net_pnl=results.net_pnl,
        today=ledger.today.get(bot.id),
        last_fill=ledger.last_fills.get(bot.id),
        orders=() if live is None else live.orders,
        started_at=None if beat is None else beat.started_at,
        beat_at=None if beat is None else beat.updated_at,
        limits=() if live is None else _limits(live.state),
    )
    standing, why = standing_of(
        heartbeat=told,
        positions_fresh=not status.stale,
        halted=is_halted(status),
        controls=over,
        known=live is not None,
    )
    return replace(status, standing=standing, why=why)


def _limits(state: Mapping[str, Any]) -> tuple[LimitStanding, ...]:
    """What the bot's saved state tells of its limits; nothing where it is of another version."""
    try:
        return tuple(LimitStanding.model_validate(each) for each in state.get("limits", ()))
    except ValidationError:
        return ()


def _disk(home: Path) -> DiskStanding | None:
    """Of the disk that the nearest folder above is on which exists: a container has no home of its own."""
    try:
        there = next(folder for folder in (home.absolute(), *home.absolute().parents) if folder.exists())
        usage = shutil.disk_usage(there)
    except (OSError, StopIteration):
        return None
    return DiskStanding(total=usage.total, free=usage.free)
