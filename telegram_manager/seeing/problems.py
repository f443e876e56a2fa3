"""What is not as it should be, one sentence each, and what to do about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from alpha.bot.risk_limits import DRAWDOWN_HALT
from alpha.domain.ids import AccountName
from alpha.ledger.backups import BackupRow
from alpha.ledger.standing import AccountStanding
from alpha.live.health import FeedHealth, ListenerHealth
from telegram_manager.seeing.facts import BotStatus, DiskStanding

BACKUP_DUE_AFTER = timedelta(hours=26)
"""A backup is taken every day."""
_LEAST_FREE_PERCENT = 5


def problems_of(
    accounts: Mapping[AccountName, ListenerHealth | None],
    feed: FeedHealth | None,
    bots: Sequence[BotStatus],
    pids: Mapping[str, int | None],
    at: datetime,
    *,
    live_known: bool = True,
) -> list[str]:
    """Of live state and processes. Without live state nothing can be said of feed and accounts."""
    found = []
    for name, health in accounts.items():
        if health is None or not health.is_live(at):
            found.append(f"account {name} is not heard: {'no listener' if health is None else health.state}")
        elif health.drifted:
            found.append(f"account {name}: ledger and exchange disagree; see `alpha drift`")
    if live_known and (feed is None or not feed.is_live(at)):
        found.append(f"no market data: {'no feed' if feed is None else feed.state}")
    for bot in bots:
        if bot.wanted and bot.state == "silent":
            found.append(f"bot {bot.id} gives no sign of life")
        if is_halted(bot):
            found.append(f"bot {bot.id} is halted by its drawdown: alpha resume {bot.id} --why ... lets it go on")
        if bot.stale:
            found.append(f"bot {bot.id}: its live positions are not fresh, so it opens none")
    unwanted = {str(bot.id) for bot in bots if not bot.wanted}
    found += [f"process {name} is down" for name, pid in pids.items() if pid is None and name not in unwanted]
    return found


def is_halted(bot: BotStatus) -> bool:
    """Whether its drawdown has stopped it."""
    return any(limit.name == f"{DRAWDOWN_HALT}_percent" and limit.reached for limit in bot.limits)


def degraded_problems(degraded: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[str]:
    """One sentence for each part of a service that works less well than it should, with what to do."""
    return [
        f"{service}, {mode['part']}: {mode['cause']}. {mode['advice']}"
        for service, modes in sorted(degraded.items())
        for mode in modes
    ]


def ledger_problems(standings: Mapping[AccountName, AccountStanding]) -> list[str]:
    """What the ledger knows of the accounts that a person should look at."""
    found = []
    for name, standing in standings.items():
        if standing.unproven:
            found.append(
                f"account {name}: {len(standing.unproven)} intervals are not proven, the first since "
                f"{standing.unproven[0][0]:%Y-%m-%d %H:%M:%S} UTC; recovery reads them again"
            )
        if standing.unreachable:
            found.append(
                f"account {name}: executions since {standing.unreachable[0][0]:%Y-%m-%d %H:%M:%S} UTC are older than "
                "the exchange keeps"
            )
        if standing.raw_waiting:
            found.append(
                f"account {name}: {standing.raw_waiting} messages could not be read: update, then `alpha replay-raw`"
            )
        if standing.drift_blocking:
            found.append(
                f"account {name}: {standing.drift_blocking} disagreements with the exchange block entries: see "
                "`alpha drift`"
            )
    return found


def backup_problems(verified: BackupRow | None, last: BackupRow | None, at: datetime) -> list[str]:
    """Of a platform that is backed up at all: one that runs on a laptop is not asked."""
    found = []
    if last is not None and not last.ok:
        found.append(f"the last backup failed: {last.detail}")
    if last is not None and (verified is None or at - verified.taken_at > BACKUP_DUE_AFTER):
        since = "none has been verified" if verified is None else f"the newest is of {verified.taken_at:%Y-%m-%d %H:%M}"
        found.append(f"a backup is due: {since} UTC" if verified is not None else f"a backup is due: {since}")
    return found


def disk_problems(disk: DiskStanding | None) -> list[str]:
    if disk is None or disk.free_percent >= _LEAST_FREE_PERCENT:
        return []
    return [f"the disk is nearly full: {disk.free_percent:.1f} % free; make room, or PostgreSQL stops writing"]
