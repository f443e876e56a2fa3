from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from alpha.domain.ids import AccountName, BotId, ExecId, Symbol
from alpha.ledger.connection import Connection, transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class ClosedTrade:
    """A round trip as a person is told of it; money in the quote currency, times on the market clock except
    `recorded_at`, when the ledger learned of its last fill."""

    account: AccountName
    bot: BotId
    symbol: Symbol
    direction: str
    quantity: Decimal
    entry_price: Decimal
    exit_price: Decimal
    gross_pnl: Decimal
    fees: Decimal
    funding: Decimal
    net_pnl: Decimal
    exit_reason: str
    opened_at: datetime
    closed_at: datetime
    recorded_at: datetime


def trades_closed_by(
    connection: Connection, bot: BotId, exec_ids: Collection[ExecId], since: datetime, recorded_at: datetime
) -> list[ClosedTrade]:
    """The bot's round trips whose last fill is one of these executions, all at or after `since` (market clock)."""
    with transaction(connection) as cursor:
        cursor.execute(
            "SELECT account, bot, symbol, direction, quantity, entry_price, exit_price, gross_pnl, fees, funding,"
            " net_pnl, exit_reason, opened_at, closed_at FROM trading.trades"
            " WHERE bot = %s AND closed_at >= %s AND last_exec_id = ANY(%s) ORDER BY closed_at, last_seq",
            (bot, since, list(exec_ids)),
        )
        return [
            ClosedTrade(
                account=row[0],
                bot=row[1],
                symbol=row[2],
                direction=row[3],
                quantity=row[4],
                entry_price=row[5],
                exit_price=row[6],
                gross_pnl=row[7],
                fees=row[8],
                funding=row[9],
                net_pnl=row[10],
                exit_reason=row[11],
                opened_at=row[12],
                closed_at=row[13],
                recorded_at=recorded_at,
            )
            for row in cursor.fetchall()
        ]
