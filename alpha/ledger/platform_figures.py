"""What the ledger says of the whole platform at one moment, for those who watch it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from alpha.domain.ids import AccountName, BotId
from alpha.ledger.backups import BackupRow, newest_verified
from alpha.ledger.connection import Connection, transaction
from alpha.ledger.controls import Control, load_controls
from alpha.ledger.coverage import proven_until
from alpha.ledger.servers import DatabaseStanding, database_standing
from alpha.ledger.standing import AccountStanding, standings


@dataclass(frozen=True, slots=True, kw_only=True)
class PlatformFigures:
    """`proven_until` is market time, every other time the database's clock. `net_pnl` is in USDT, of each bot's life.
    `alerts` counts those of the last 24 hours by severity; `unattributed` fills without an owner."""

    at: datetime
    begun_at: datetime
    """When the database was made."""
    accounts: Mapping[AccountName, AccountStanding]
    proven_until: Mapping[AccountName, datetime | None]
    unattributed: Mapping[AccountName, int]
    net_pnl: Mapping[BotId, Decimal]
    alerts: Mapping[str, int]
    controls: Mapping[str, Control]
    synced_at: Mapping[AccountName, datetime]
    proven_at: Mapping[AccountName, datetime]
    backup: BackupRow | None
    database: DatabaseStanding


def platform_figures(connection: Connection, accounts: Sequence[AccountName]) -> PlatformFigures:
    """All of one moment as far as one transaction shows it. Raises LedgerError."""
    with transaction(connection) as cursor:
        cursor.execute("SELECT clock_timestamp()")
        ((at,),) = cursor.fetchall()
        cursor.execute("SELECT account, count(*) FROM trading.owned_fills WHERE bot IS NULL GROUP BY account")
        unattributed = dict(cursor.fetchall())
        cursor.execute("SELECT bot, net_pnl FROM trading.bot_performance")
        net_pnl = {BotId(bot): net for bot, net in cursor.fetchall()}
        cursor.execute(
            "SELECT severity, count(*) FROM trading.alerts WHERE at > now() - interval '24 hours' GROUP BY severity"
        )
        alerts = dict(cursor.fetchall())
        cursor.execute("SELECT min(applied_at) FROM trading.migrations")
        ((begun_at,),) = cursor.fetchall()
        # An account is as fresh as the comparison that succeeded longest ago of those tried, and one that never did is
        # as old as the ledger.
        cursor.execute(
            """
            SELECT account, min(coalesce(ok_at, %s))
            FROM (SELECT account, max(ok_at) AS ok_at FROM trading.sync_status GROUP BY account, task) AS t
            GROUP BY account
            """,
            (begun_at,),
        )
        synced_at = {AccountName(account): ok_at for account, ok_at in cursor.fetchall()}
        cursor.execute("SELECT account, max(judged_at) FROM trading.proofs WHERE proven GROUP BY account")
        judged_at = {AccountName(account): last for account, last in cursor.fetchall()}
        proven_at = {account: judged_at.get(account, begun_at) for account in synced_at}
        return PlatformFigures(
            at=at,
            begun_at=begun_at,
            accounts=standings(connection, accounts),
            proven_until={account: proven_until(connection, account) for account in accounts},
            unattributed={account: unattributed.get(account, 0) for account in accounts},
            net_pnl=net_pnl,
            alerts=alerts,
            controls=load_controls(connection),
            synced_at=synced_at,
            proven_at=proven_at,
            backup=newest_verified(connection),
            database=database_standing(connection),
        )
