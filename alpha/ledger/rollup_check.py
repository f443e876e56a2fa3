"""Days recomputed from their fills, and compared with the sums that are kept of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime, time, timedelta
from decimal import Context, Decimal, localcontext
from typing import Any

from alpha.domain.errors import InvalidValue
from alpha.domain.fill import ExecType, Fill
from alpha.domain.ids import AccountName, BotId, Symbol
from alpha.domain.position import ZERO
from alpha.domain.reason import Reason
from alpha.domain.trade import BookKey, Trade
from alpha.ledger.book_rows import KEY, key_of_row
from alpha.ledger.books import HeldBook, flat_point_before, load_books
from alpha.ledger.connection import Connection, Cursor, transaction
from alpha.ledger.fill_rows import FILL_COLUMNS, fill_of_row
from alpha.ledger.folding import fold_on

_KEY = ", ".join(KEY)
_EXEC_ID = FILL_COLUMNS.index("exec_id")
# PostgreSQL adds exactly. Folding divides to 28 digits, and such a share of a fee has them all.
_EXACTLY = Context(prec=1000)


@dataclass(frozen=True, slots=True, order=True)
class DayKey:
    """Whose day it is. `zone_day` is the day in the reporting zone that the sums belong to as well; a UTC day has up to
    three of them. In what closed days are folded into, symbol is "", and over all bots `bot` is "" as well and
    `account` the kind of account."""

    day: date
    bot: BotId
    symbol: Symbol
    account: AccountName
    zone_day: date

    def __str__(self) -> str:
        whose = " ".join(part for part in (self.bot, self.account, self.symbol) if part)
        return f"{self.day} {whose}" + ("" if self.zone_day == self.day else f" (local {self.zone_day})")


@dataclass(slots=True)
class DaySums:
    """What a bot did in a symbol on a day, in the quote currency. Fees above 0 were paid, funding above 0 was received.

    The first five are of the day's fills, the others of the round trips that closed that day; `won` and `lost` are the
    parts of `net_pnl` above and below 0.
    """

    fills: int = 0
    volume: Decimal = ZERO
    maker_volume: Decimal = ZERO
    fees: Decimal = ZERO
    funding: Decimal = ZERO
    trades: int = 0
    wins: int = 0
    losses: int = 0
    gross_pnl: Decimal = ZERO
    net_pnl: Decimal = ZERO
    won: Decimal = ZERO
    lost: Decimal = ZERO

    def add_fill(self, fill: Fill) -> None:
        self.fills += 1
        if fill.exec_type is ExecType.FUNDING:
            self.funding -= fill.fee
            return
        self.volume += fill.notional
        if fill.is_maker:
            self.maker_volume += fill.notional
        self.fees += fill.fee

    def add_trade(self, trade: Trade) -> None:
        self.trades += 1
        self.gross_pnl += trade.gross_pnl
        self.net_pnl += trade.net_pnl
        if trade.net_pnl > 0:
            self.wins += 1
            self.won += trade.net_pnl
        elif trade.net_pnl < 0:
            self.losses += 1
            self.lost += trade.net_pnl

    def add(self, other: DaySums) -> None:
        for name in _SUMS:
            setattr(self, name, getattr(self, name) + getattr(other, name))


_SUMS = tuple(each.name for each in fields(DaySums))
_NOTHING = DaySums()
Days = Mapping[DayKey, DaySums]


@dataclass(frozen=True, slots=True)
class DayMismatch:
    """Sums that are not what they should be. `table` is where they stand: bot_symbol_days, which the fills say, or one
    of the two that closed days are folded into, which bot_symbol_days says."""

    table: str
    key: DayKey
    stored: DaySums
    recomputed: DaySums

    def __str__(self) -> str:
        differing = [
            f"{name} {stored} instead of {recomputed}"
            for name in _SUMS
            if (stored := getattr(self.stored, name)) != (recomputed := getattr(self.recomputed, name))
        ]
        return f"{self.table} {self.key}: {', '.join(differing)}"


def check_days(connection: Connection, since: date, until: date, bot: BotId | None = None) -> list[DayMismatch]:
    """Recomputes the UTC days from `since` to `until`, both included, from the fills of their owners, and answers every
    sum that is something else. Reads one snapshot, and of each book the fills since it was last flat before `since`.

    With a bot, its days only, and not those over all bots. Raises InvalidValue when `until` is before `since`, or has
    no next day.
    """
    if until < since:
        raise InvalidValue(f"the days end on {until} before they begin on {since}")
    if until == date.max:
        raise InvalidValue(f"{until} is no day of any market")
    with transaction(connection) as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        recomputed: defaultdict[DayKey, DaySums] = defaultdict(DaySums)
        for held in load_books(cursor, _books(cursor, since, until, bot)).values():
            _recompute(cursor, held, since, until, recomputed)
        stored, is_folded = _stored(cursor, since, until, bot)
        mismatches = _compared("bot_symbol_days", stored, recomputed)
        folded = {key: sums for key, sums in stored.items() if is_folded[key]}
        unfolded = {(key.day, key.bot, key.account) for key in stored.keys() - folded.keys()}
        mismatches += _compared(
            "bot_days",
            {
                k: v
                for k, v in _bot_days(cursor, since, until, bot).items()
                if (k.day, k.bot, k.account) not in unfolded
            },
            _summed(
                (DayKey(key.day, key.bot, Symbol(""), key.account, key.zone_day), sums)
                for key, sums in folded.items()
                if (key.day, key.bot, key.account) not in unfolded
            ),
        )
        if bot is None:
            kinds = _kinds(cursor)
            open_days = {day for day, _, _ in unfolded}
            mismatches += _compared(
                "portfolio_days",
                {k: v for k, v in _portfolio_days(cursor, since, until).items() if k.day not in open_days},
                _summed(
                    (
                        DayKey(
                            key.day,
                            BotId(""),
                            Symbol(""),
                            AccountName(kinds.get(key.account, "unregistered")),
                            key.zone_day,
                        ),
                        sums,
                    )
                    for key, sums in folded.items()
                    if key.day not in open_days
                ),
            )
    return mismatches


def recorded_days(connection: Connection, bot: BotId | None = None) -> tuple[date, date] | None:
    """The first and the last UTC day with a fill (of the bot), None without any."""
    with transaction(connection) as cursor:
        cursor.execute(
            "SELECT min(day), max(day) FROM trading.bot_symbol_days"
            " WHERE fills <> 0 AND (bot = %(bot)s OR %(bot)s IS NULL)",
            {"bot": bot},
        )
        ((first, last),) = cursor.fetchall()
    return None if first is None else (first, last)


def _books(cursor: Cursor, since: date, until: date, bot: BotId | None) -> list[BookKey]:
    """Those with a row, and those of fills, whose book may have lost its row."""
    cursor.execute(
        f"SELECT {_KEY} FROM trading.books WHERE (bot = %(bot)s OR %(bot)s IS NULL)"
        f" UNION SELECT {_KEY} FROM trading.owned_fills WHERE exec_time >= %(begin)s AND exec_time < %(end)s"
        " AND bot IS NOT NULL AND (bot = %(bot)s OR %(bot)s IS NULL)",
        {"bot": bot, "begin": _midnight(since), "end": _midnight(until + timedelta(days=1))},
    )
    return [key_of_row(row) for row in cursor.fetchall()]


def _recompute(cursor: Cursor, held: HeldBook, since: date, until: date, into: defaultdict[DayKey, DaySums]) -> None:
    """Adds what the book's fills of these days make."""
    key = held.book.key
    begin, end = _midnight(since), _midnight(until + timedelta(days=1))
    start = flat_point_before(cursor, held, begin)
    cursor.execute(
        f"SELECT {', '.join('f.' + name for name in FILL_COLUMNS)}, f.reason, (f.exec_time AT TIME ZONE z.zone)::date"
        " FROM trading.owned_fills AS f CROSS JOIN trading.reporting_zone AS z"
        " WHERE f.bot = %s AND f.symbol = %s AND f.account = %s AND f.position_idx = %s"
        " AND f.exec_time >= coalesce(%s::timestamptz, '-infinity') AND f.exec_time < %s",
        (key.bot, key.symbol, key.account, key.position_idx, start.last and min(start.last.exec_time, begin), end),
    )
    rows = cursor.fetchall()
    fills = [(fill_of_row(row), Reason(row[-2])) for row in rows]
    zone_days = {row[_EXEC_ID]: row[-1] for row in rows}
    _, trades = fold_on(
        start,
        [
            (fill, reason)
            for fill, reason in fills
            if held.folds(fill) and (start.last is None or fill.execution_order > start.last)
        ],
    )
    with localcontext(_EXACTLY):
        for fill, _ in fills:
            # What the opening position includes is in no book and in no sum.
            if fill.exec_time >= begin and held.folds(fill):
                into[_key(key, fill.exec_time, zone_days[fill.exec_id])].add_fill(fill)
        for closed in trades:
            if (trade := closed.trade).closed_at >= begin:
                into[_key(key, trade.closed_at, zone_days[trade.last_exec_id])].add_trade(trade)


def _stored(
    cursor: Cursor, since: date, until: date, bot: BotId | None
) -> tuple[dict[DayKey, DaySums], dict[DayKey, bool]]:
    cursor.execute(
        f"SELECT day, bot, symbol, account, zone_day, folded, {', '.join(_SUMS)} FROM trading.bot_symbol_days"
        " WHERE day BETWEEN %(since)s AND %(until)s AND (bot = %(bot)s OR %(bot)s IS NULL)",
        {"since": since, "until": until, "bot": bot},
    )
    rows = cursor.fetchall()
    keys = [DayKey(*row[:5]) for row in rows]
    return (
        {key: DaySums(*row[6:]) for key, row in zip(keys, rows, strict=True)},
        {key: row[5] for key, row in zip(keys, rows, strict=True)},
    )


def _bot_days(cursor: Cursor, since: date, until: date, bot: BotId | None) -> dict[DayKey, DaySums]:
    cursor.execute(
        f"SELECT day, bot, '', account, zone_day, {', '.join(_SUMS)} FROM trading.bot_days"
        " WHERE day BETWEEN %(since)s AND %(until)s AND (bot = %(bot)s OR %(bot)s IS NULL)",
        {"since": since, "until": until, "bot": bot},
    )
    return _days(cursor.fetchall())


def _portfolio_days(cursor: Cursor, since: date, until: date) -> dict[DayKey, DaySums]:
    cursor.execute(
        f"SELECT day, '', '', kind, zone_day, {', '.join(_SUMS)} FROM trading.portfolio_days"
        " WHERE day BETWEEN %s AND %s",
        (since, until),
    )
    return _days(cursor.fetchall())


def _kinds(cursor: Cursor) -> dict[str, str]:
    cursor.execute("SELECT account, kind FROM trading.accounts")
    return dict(cursor.fetchall())


def _days(rows: Iterable[tuple[Any, ...]]) -> dict[DayKey, DaySums]:
    return {DayKey(*row[:5]): DaySums(*row[5:]) for row in rows}


def _summed(days: Iterable[tuple[DayKey, DaySums]]) -> dict[DayKey, DaySums]:
    summed: defaultdict[DayKey, DaySums] = defaultdict(DaySums)
    with localcontext(_EXACTLY):
        for key, sums in days:
            summed[key].add(sums)
    return summed


def _compared(table: str, stored: Days, recomputed: Days) -> list[DayMismatch]:
    """A day without a row is one of zeros: a fill that turned out to be another bot's leaves such a row."""
    return [
        DayMismatch(table, key, stored.get(key, _NOTHING), recomputed.get(key, _NOTHING))
        for key in sorted(stored.keys() | recomputed.keys())
        if stored.get(key, _NOTHING) != recomputed.get(key, _NOTHING)
    ]


def _key(book: BookKey, moment: datetime, zone_day: date) -> DayKey:
    return DayKey(moment.astimezone(UTC).date(), book.bot, book.symbol, book.account, zone_day)


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
