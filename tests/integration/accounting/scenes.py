"""Accounts with bots on them, random histories, and the derived rows as text."""

from __future__ import annotations

import random
from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

from alpha.domain.fill import ExecType
from alpha.domain.ids import AccountName, BotId
from alpha.domain.reason import Reason
from alpha.domain.side import Side
from alpha.ledger.assignments import Assignment, Outcome, apply_assignments, find_fill, request_assignment
from alpha.ledger.connection import Connection, transaction
from alpha.ledger.fills import HeardFill
from alpha.ledger.heads import lock_heads
from alpha.ledger.registry import AccountKind, RegisteredAccount, RegisteredBot, sync_registry
from tests.integration.ledger.heard import heard
from tests.unit.domain.fills import BTCUSDT, a_fill

ONE, TWO = BotId("bot_001"), BotId("bot_002")


def register(connection: Connection, account: AccountName, *bots: BotId, code: str = "b") -> None:
    """The bots (by default ONE and TWO) trade on the account."""
    sync_registry(
        connection,
        [RegisteredAccount(account=account, kind=AccountKind.PAPER)],
        [
            RegisteredBot(
                bot=bot,
                code=f"{code}{number}",
                account=account,
                strategy="strategies.canary:Canary",
                symbols=(BTCUSDT,),
                redis_db=number,
                category="linear",
                capital_usdt=Decimal(1000),
                params={},
            )
            for number, bot in enumerate(bots or (ONE, TWO))
        ],
    )


def a_history(
    chance: random.Random, account: AccountName, bots: Collection[BotId | None], length: int
) -> list[HeardFill]:
    """Fills of several bots, often flat, several of one millisecond, with funding and rebates among them."""
    history = []
    for n in range(length):
        fill = a_fill(
            chance.choice([Side.BUY, Side.SELL]),
            Decimal(chance.randint(1, 4)) / 1000,
            at=Decimal(chance.randint(9_000_000, 9_100_000)) / 100,
            fee=Decimal(chance.randint(-200, 900)) / 10_000,
            n=n // 3,
            leaves=Decimal(chance.randint(0, 2)),
            exec_id=f"{account}-{n}",
            exec_type=chance.choice([ExecType.TRADE] * 8 + [ExecType.FUNDING, ExecType.BUST]),
        )
        fill = replace(fill, exec_time=fill.exec_time + timedelta(milliseconds=chance.choice([0, 0, 5, 120, 987])))
        history.append(
            heard(fill, chance.choice(list(bots)), account=account, reason=chance.choice([Reason.ENTRY, Reason.MANUAL]))
        )
    return history


def derived_rows(connection: Connection, account: AccountName) -> tuple[list[str], list[str]]:
    """Books and round trips of the account, to the last digit as PostgreSQL writes them, but for when they were
    written."""
    with transaction(connection) as cursor:
        cursor.execute(
            "SELECT (to_jsonb(b) - 'updated_at')::text FROM trading.books AS b"
            " WHERE account = %s AND (fill_count > 0 OR quantity <> 0) ORDER BY 1",
            (account,),
        )
        books = [text for (text,) in cursor.fetchall()]
        cursor.execute("SELECT to_jsonb(t)::text FROM trading.trades AS t WHERE account = %s ORDER BY 1", (account,))
        return books, [text for (text,) in cursor.fetchall()]


def books_version(connection: Connection, account: AccountName) -> int:
    with transaction(connection) as cursor:
        cursor.execute("SELECT books_version FROM trading.account_head WHERE account = %s", (account,))
        ((version,),) = cursor.fetchall()
    return int(version)


def wish(connection: Connection, exec_id: str, bot: BotId, *, reason: Reason | None = None) -> int:
    """A person assigns the fill to the bot."""
    fill = find_fill(connection, exec_id)
    return request_assignment(
        connection,
        Assignment(
            fill=fill, bot=bot, reason=reason or fill.attribution.reason, by="trader", why="it was this bot's order"
        ),
    )


def take_up(connection: Connection, epochs: Mapping[AccountName, int]) -> list[Outcome]:
    """As the listener does that holds the accounts."""
    with transaction(connection) as cursor:
        lock_heads(cursor, dict(epochs))
        return apply_assignments(cursor, list(epochs))
