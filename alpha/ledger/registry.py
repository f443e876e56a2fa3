"""Bots and accounts in the database, for the views and for whoever asks SQL. bots.yaml is where they are decided."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum, unique

from psycopg2.extras import execute_values

from alpha.domain.ids import AccountName, BotId, Symbol
from alpha.ledger.connection import Connection, Cursor, LedgerRefused, as_json, transaction


@unique
class AccountKind(StrEnum):
    LIVE = "live"
    DEMO = "demo"
    TESTNET = "testnet"
    PAPER = "paper"
    BACKTEST = "backtest"


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisteredAccount:
    """`uid` is the exchange's, None until it was asked."""

    account: AccountName
    kind: AccountKind
    uid: str | None = None
    position_mode: str = "one_way"


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisteredBot:
    bot: BotId
    code: str
    account: AccountName
    strategy: str
    symbols: Sequence[Symbol]
    redis_db: int
    category: str = "linear"
    capital_usdt: Decimal | None = None
    params: Mapping[str, object] = field(default_factory=dict)


def symbols_of_bot(connection: Connection, bot: BotId) -> tuple[Symbol, ...]:
    """What the bot traded when the listener last began, nothing for one that it does not know. Raises LedgerError."""
    with transaction(connection) as cursor:
        cursor.execute("SELECT unnest(symbols) FROM trading.bots WHERE bot = %s", (bot,))
        return tuple(Symbol(symbol) for (symbol,) in cursor.fetchall())


def sync_registry(connection: Connection, accounts: Sequence[RegisteredAccount], bots: Sequence[RegisteredBot]) -> None:
    """Makes the tables say what the registry says. Bots of these accounts that are not given become inactive.

    Raises LedgerRefused for a code that was another bot's: its orders and fills would be taken for the new one's.
    """
    with transaction(connection) as cursor:
        _refuse_reused_codes(cursor, bots)
        if accounts:
            execute_values(
                cursor,
                """
                INSERT INTO trading.accounts AS a (account, kind, uid, position_mode) VALUES %s
                ON CONFLICT (account) DO UPDATE SET
                    kind = excluded.kind, uid = coalesce(excluded.uid, a.uid),
                    position_mode = excluded.position_mode, updated_at = clock_timestamp()
                """,
                [
                    (each.account, each.kind.value, each.uid, each.position_mode)
                    # A changed kind locks the account's head, and heads are locked in this order.
                    for each in sorted(accounts, key=lambda each: each.account)
                ],
                page_size=1000,
            )
        if bots:
            execute_values(
                cursor,
                """
                INSERT INTO trading.bots AS b
                    (bot, code, account, strategy, category, symbols, redis_db, capital_usdt, params)
                VALUES %s
                ON CONFLICT (bot) DO UPDATE SET
                    code = excluded.code, account = excluded.account, strategy = excluded.strategy,
                    category = excluded.category, redis_db = excluded.redis_db,
                    -- What the bot trades may not be known while the exchange is away.
                    symbols = CASE WHEN excluded.symbols = '{}' THEN b.symbols ELSE excluded.symbols END,
                    capital_usdt = excluded.capital_usdt, params = excluded.params, active = true,
                    updated_at = clock_timestamp()
                """,
                [
                    (
                        each.bot,
                        each.code,
                        each.account,
                        each.strategy,
                        each.category,
                        list(each.symbols),
                        each.redis_db,
                        each.capital_usdt,
                        as_json(dict(each.params)),
                    )
                    for each in bots
                ],
                page_size=1000,
            )
        cursor.execute(
            "UPDATE trading.bots SET active = false, updated_at = clock_timestamp()"
            " WHERE active AND account = ANY(%s) AND NOT bot = ANY(%s)",
            ([each.account for each in accounts], [each.bot for each in bots]),
        )


def _refuse_reused_codes(cursor: Cursor, bots: Sequence[RegisteredBot]) -> None:
    wanted = {each.code: each.bot for each in bots}
    cursor.execute("SELECT code, bot FROM trading.bots WHERE code = ANY(%s)", (list(wanted),))
    for code, bot in cursor.fetchall():
        if wanted[code] != bot:
            raise LedgerRefused(f"code {code} belongs to {bot} for ever; give {wanted[code]} another code in bots.yaml")


def bot_with_code(connection: Connection, code: str, account: AccountName) -> BotId | None:
    """The bot that carries the code of an order link id, if it is one of the account's."""
    with transaction(connection) as cursor:
        cursor.execute("SELECT bot FROM trading.bots WHERE code = %s AND account = %s", (code, account))
        row = cursor.fetchone()
    return BotId(row[0]) if row else None
