"""The newest fills, round trips and alerts, for whoever looks."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal

from alpha.domain.ids import AccountName, BotId, Symbol
from alpha.ledger.alerts import Alert, Severity
from alpha.ledger.connection import Connection, transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class FillLine:
    """One execution. `at` is market time; `fee` > 0 was paid; `bot` is the owner that counts, None where nobody is.
    Of a funding, `quantity` is the whole position and `fee` the payment."""

    at: datetime
    account: AccountName
    bot: BotId | None
    symbol: Symbol
    side: str
    quantity: Decimal
    price: Decimal
    fee: Decimal
    fee_currency: str
    exec_type: str
    reason: str
    is_maker: bool

    @property
    def is_funding(self) -> bool:
        return self.exec_type == "Funding"


@dataclass(frozen=True, slots=True, kw_only=True)
class TradeLine:
    """One round trip, in the quote currency. Times are market time; `return_on_notional` is a fraction."""

    bot: BotId
    symbol: Symbol
    direction: str
    opened_at: datetime
    closed_at: datetime
    duration: timedelta
    quantity: Decimal
    entry_price: Decimal
    exit_price: Decimal
    gross_pnl: Decimal
    fees: Decimal
    funding: Decimal
    net_pnl: Decimal
    return_on_notional: Decimal
    entry_reason: str
    exit_reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BotDay:
    """What a bot made on one day of the market (UTC): price P&L of what closed, less fees, plus funding."""

    result: Decimal
    trades: int
    fills: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BotResults:
    """A bot's whole life. `fees` > 0 were paid, `funding` > 0 was received, `realized_pnl` is price only and
    `net_pnl = realized_pnl - fees + funding`."""

    fills: int
    trades: int
    realized_pnl: Decimal
    fees: Decimal
    funding: Decimal
    net_pnl: Decimal


def bot_results(connection: Connection) -> dict[BotId, BotResults]:
    """Of every bot that has a book."""
    with transaction(connection) as cursor:
        cursor.execute("SELECT bot, fills, trades, realized_pnl, fees, funding, net_pnl FROM trading.bot_performance")
        names = tuple(BotResults.__dataclass_fields__)
        return {bot: BotResults(**dict(zip(names, figures, strict=True))) for bot, *figures in cursor.fetchall()}


def recent_fills(connection: Connection, bot: BotId | None, limit: int) -> list[FillLine]:
    """The newest executions, newest first; of all bots without one, and then also those that nobody owns."""
    with transaction(connection) as cursor:
        # How far back the newest ones go is known from the numbers of each bot, which an index is sorted by; as many
        # more are counted as were assigned to another owner since.
        cursor.execute(
            """
            SELECT min(n.exec_time) FROM (
                SELECT f.exec_time
                FROM trading.bot_heads AS h
                CROSS JOIN (SELECT count(*) AS number FROM trading.fill_owners) AS assigned
                CROSS JOIN LATERAL (
                    SELECT f.exec_time FROM trading.fills AS f
                    WHERE f.bot = h.bot AND f.bot_seq > h.last_seq - %(limit)s - assigned.number
                        AND f.account NOT IN (SELECT account FROM trading.uncounted_accounts)
                ) AS f
                WHERE %(bot)s::text IS NULL OR h.bot = %(bot)s
                ORDER BY f.exec_time DESC LIMIT %(limit)s + (SELECT count(*) FROM trading.fill_owners)
            ) AS n
            """,
            {"bot": bot, "limit": limit},
        )
        (since,) = cursor.fetchone() or (None,)
        cursor.execute(
            f"""
            SELECT exec_time, account, bot, symbol, side, quantity, price, fee, fee_currency, exec_type, reason,
                   is_maker
            FROM trading.owned_fills
            WHERE exec_time >= coalesce(%(since)s, '-infinity'::timestamptz)
                -- As an array it reaches the index of each account's times.
                AND account = ANY (ARRAY(
                    SELECT account FROM trading.account_head EXCEPT SELECT account FROM trading.uncounted_accounts))
                {"" if bot is None else "AND bot = %(bot)s"}
            ORDER BY exec_time DESC, seq DESC LIMIT %(limit)s
            """,
            {"bot": bot, "limit": limit, "since": since},
        )
        return [
            FillLine(
                at=at,
                account=account,
                bot=owner,
                symbol=symbol,
                side=side,
                quantity=quantity,
                price=price,
                fee=fee,
                fee_currency=currency,
                exec_type=exec_type,
                reason=reason,
                is_maker=is_maker,
            )
            for (
                at, account, owner, symbol, side, quantity, price, fee, currency, exec_type, reason, is_maker,
            ) in cursor.fetchall()
        ]  # fmt: skip


def recent_trades(connection: Connection, bot: BotId | None, limit: int) -> list[TradeLine]:
    """The round trips that closed last, newest first; of all bots without one."""
    with transaction(connection) as cursor:
        cursor.execute(
            """
            SELECT t.*
            FROM (SELECT DISTINCT bot FROM trading.books) AS b
            CROSS JOIN LATERAL (
                SELECT r.bot, r.symbol, r.direction, r.opened_at, r.closed_at, r.duration, r.quantity, r.entry_price,
                       r.exit_price, r.gross_pnl, r.fees, r.funding, r.net_pnl, r.return_on_notional, r.entry_reason,
                       r.exit_reason
                FROM trading.round_trips AS r WHERE r.bot = b.bot ORDER BY r.closed_at DESC LIMIT %(limit)s
            ) AS t
            WHERE %(bot)s::text IS NULL OR b.bot = %(bot)s
            ORDER BY t.closed_at DESC LIMIT %(limit)s
            """,
            {"bot": bot, "limit": limit},
        )
        names = tuple(TradeLine.__dataclass_fields__)
        return [TradeLine(**dict(zip(names, row, strict=True))) for row in cursor.fetchall()]


def last_fills(connection: Connection, bots: Iterable[BotId]) -> dict[BotId, FillLine]:
    """The fill with the highest number of each of these bots that has one."""
    with transaction(connection) as cursor:
        cursor.execute(
            """
            SELECT h.bot, f.exec_time, f.account, f.symbol, f.side, f.quantity, f.price, f.fee, f.fee_currency,
                   f.exec_type, f.reason, f.is_maker
            FROM trading.bot_heads AS h
            CROSS JOIN LATERAL (
                SELECT * FROM trading.fills AS f WHERE f.bot = h.bot AND f.bot_seq = h.last_seq LIMIT 1
            ) AS f
            WHERE h.bot = ANY(%s)
            """,
            (list(bots),),
        )
        return {
            bot: FillLine(
                at=at,
                account=account,
                bot=bot,
                symbol=symbol,
                side=side,
                quantity=quantity,
                price=price,
                fee=fee,
                fee_currency=currency,
                exec_type=exec_type,
                reason=reason,
                is_maker=is_maker,
            )
            for (
                bot, at, account, symbol, side, quantity, price, fee, currency, exec_type, reason, is_maker,
            ) in cursor.fetchall()
        }  # fmt: skip


def bot_days(connection: Connection, day: date) -> dict[BotId, BotDay]:
    """What each bot made on a day; bots without a fill or a closed round trip on it are left out."""
    with transaction(connection) as cursor:
        cursor.execute(
            "SELECT bot, gross_pnl - fees + funding, trades, fills FROM trading.bot_daily_performance WHERE day = %s",
            (day,),
        )
        return {
            bot: BotDay(result=result, trades=int(trades), fills=int(fills))
            for bot, result, trades, fills in cursor.fetchall()
        }


def recent_alerts(connection: Connection, limit: int, *, bot: BotId | None = None) -> list[tuple[int, Alert]]:
    """The newest alerts with their numbers, newest first. Of all bots: without what a bot only informs of, which would
    hide the rest."""
    with transaction(connection) as cursor:
        cursor.execute(
            "SELECT id, at, service, kind, severity, account, bot, text FROM trading.alerts"
            " WHERE bot = %(bot)s OR %(bot)s::text IS NULL AND (bot IS NULL OR severity <> 'info')"
            " ORDER BY id DESC LIMIT %(limit)s",
            {"bot": bot, "limit": limit},
        )
        return [
            (
                number,
                Alert(
                    at=at, service=service, kind=kind, severity=Severity(severity), account=account, bot=of, text=text
                ),
            )
            for number, at, service, kind, severity, account, of, text in cursor.fetchall()
        ]
