"""Under which epoch each fill was recorded: what shows afterwards that no fenced listener wrote."""

from __future__ import annotations

from dataclasses import dataclass

from alpha.domain.ids import AccountName, BotId
from alpha.ledger.connection import Connection, transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochFall:
    """A fill of a bot that was recorded under a lower epoch than one before it: there must be none. `epoch` is None
    when it has none, which only fills of before there were epochs may."""

    account: AccountName
    bot: BotId
    bot_seq: int
    epoch: int | None
    before: int


def epoch_falls(connection: Connection) -> list[EpochFall]:
    """Every place where the epoch falls along a bot's fills, by bot and number. Reads every fill that has an owner."""
    with transaction(connection) as cursor:
        cursor.execute(
            """
            SELECT account, bot, bot_seq, epoch, before
            FROM (
                SELECT account, bot, bot_seq, epoch, max(epoch) OVER (
                    PARTITION BY bot, account ORDER BY bot_seq ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
                ) AS before
                FROM trading.fills WHERE bot IS NOT NULL
            ) AS along
            WHERE coalesce(epoch, 0) < before ORDER BY bot, bot_seq
            """
        )
        return [
            EpochFall(account=account, bot=bot, bot_seq=bot_seq, epoch=epoch, before=before)
            for account, bot, bot_seq, epoch, before in cursor.fetchall()
        ]
