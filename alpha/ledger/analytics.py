"""What bots have made over days of the market, as the views tell it, in USDT. All sums are made in SQL."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

from alpha.domain.ids import BotId
from alpha.ledger.connection import Connection, transaction

_FINE, _HOURLY, _DAILY = timedelta(minutes=5), timedelta(hours=1), timedelta(days=1)
_MOST_FILLS_READ = 100_000
"""A curve of more fills than this is told by the day: days are summed already."""


@dataclass(frozen=True, slots=True)
class Window:
    """Whole UTC days of the market, both included."""

    since: date
    until: date

    @property
    def days(self) -> int:
        return (self.until - self.since).days + 1

    @property
    def start(self) -> datetime:
        return datetime.combine(self.since, time(), UTC)

    def step(self, fills: int) -> timedelta:
        """How finely a curve over so many fills is told: no more points than a picture can show."""
        if fills > _MOST_FILLS_READ:
            return _DAILY
        return _FINE if self.days <= 7 else _HOURLY if self.days <= 31 else _DAILY

    @property
    def end(self) -> datetime:
        """The first moment after it."""
        return datetime.combine(self.until, time(), UTC) + timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Sums over a time. `gross_pnl` is price only, of round trips that closed; `fees` > 0 were paid and `funding` > 0
    was received by the fills of the time; `result = gross_pnl - fees + funding`. `win_percent` is of all round trips,
    None without any; `profit_factor` is what was won by what was lost, None where nothing was lost."""

    fills: int
    volume: Decimal
    trades: int
    wins: int
    losses: int
    gross_pnl: Decimal
    fees: Decimal
    funding: Decimal
    result: Decimal
    win_percent: Decimal | None
    profit_factor: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReasonFigures:
    """Round trips by the reason of their closing fill; `net_pnl` of these round trips."""

    reason: str
    trades: int
    wins: int
    win_percent: Decimal
    net_pnl: Decimal
    average_net_pnl: Decimal
    average_duration: timedelta


@dataclass(frozen=True, slots=True)
class Step:
    """Result since the window began, at the end of a day or hour, and how far that is below its highest (never above
    0). `at` is market time."""

    at: datetime
    result: Decimal
    drawdown: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """The steps that moved, in order, how long each of them is, and the worst drawdown among them (never above 0)."""

    steps: tuple[Step, ...]
    every: timedelta
    worst_drawdown: Decimal

    @property
    def start(self) -> datetime | None:
        """When the first of them began, with a result of 0; None without any."""
        return self.steps[0].at - self.every if self.steps else None


_FIGURES = """
    coalesce(sum(fills), 0)::bigint, coalesce(sum(volume), 0), coalesce(sum(trades), 0)::bigint,
    coalesce(sum(wins), 0)::bigint, coalesce(sum(losses), 0)::bigint, coalesce(sum(gross_pnl), 0),
    coalesce(sum(fees), 0), coalesce(sum(funding), 0), coalesce(sum(gross_pnl - fees + funding), 0),
    round(100.0 * sum(wins) / nullif(sum(trades), 0), 1), round(sum(won) / nullif(-sum(lost), 0), 2)
"""


def figures(connection: Connection, window: Window, bot: BotId | None) -> Figures:
    """Of a bot, or of all of them."""
    with transaction(connection) as cursor:
        cursor.execute(
            f"SELECT {_FIGURES} FROM {_daily(bot)} WHERE day BETWEEN %(since)s AND %(until)s {_of(bot)}",
            {"since": window.since, "until": window.until, "bot": bot},
        )
        (row,) = cursor.fetchall()
    return _figures(row)


def figures_by_bot(connection: Connection, window: Window) -> dict[BotId, Figures]:
    """Of every bot that had a fill or a round trip in the window, the best result first."""
    with transaction(connection) as cursor:
        cursor.execute(
            f"SELECT bot, {_FIGURES} FROM trading.bot_daily_performance WHERE day BETWEEN %s AND %s"
            " GROUP BY bot ORDER BY sum(gross_pnl - fees + funding) DESC, bot",
            (window.since, window.until),
        )
        return {bot: _figures(row) for bot, *row in cursor.fetchall()}


def figures_by_symbol(connection: Connection, window: Window, bot: BotId | None) -> dict[str, Figures]:
    """The same per symbol, the best result first."""
    with transaction(connection) as cursor:
        cursor.execute(
            f"SELECT symbol, {_FIGURES} FROM trading.symbol_daily_performance"
            f" WHERE day BETWEEN %(since)s AND %(until)s {_of(bot)}"
            " GROUP BY symbol ORDER BY sum(gross_pnl - fees + funding) DESC, symbol",
            {"since": window.since, "until": window.until, "bot": bot},
        )
        return {symbol: _figures(row) for symbol, *row in cursor.fetchall()}


def figures_by_day(connection: Connection, bot: BotId | None, until: date, limit: int) -> list[tuple[date, Figures]]:
    """The last so many days up to `until` that have any, newest first."""
    with transaction(connection) as cursor:
        cursor.execute(
            f"SELECT day, {_FIGURES} FROM {_daily(bot)} WHERE day <= %(until)s {_of(bot)}"
            " GROUP BY day ORDER BY day DESC LIMIT %(limit)s",
            {"until": until, "bot": bot, "limit": limit},
        )
        return [(day, _figures(row)) for day, *row in cursor.fetchall()]


def figures_by_reason(connection: Connection, window: Window, bot: BotId | None) -> list[ReasonFigures]:
    """Of the round trips that closed in the window, the most frequent reason first."""
    with transaction(connection) as cursor:
        cursor.execute(
            f"""
            SELECT exit_reason, count(*), count(*) FILTER (WHERE net_pnl > 0),
                   round(100.0 * count(*) FILTER (WHERE net_pnl > 0) / count(*), 1), sum(net_pnl), avg(net_pnl),
                   avg(duration)
            FROM trading.round_trips
            WHERE closed_at >= %(start)s AND closed_at < %(end)s {_of(bot)}
            GROUP BY exit_reason ORDER BY count(*) DESC, exit_reason
            """,
            {"start": window.start, "end": window.end, "bot": bot},
        )
        return [
            ReasonFigures(
                reason=reason,
                trades=trades,
                wins=wins,
                win_percent=percent,
                net_pnl=net,
                average_net_pnl=average,
                average_duration=duration,
            )
            for reason, trades, wins, percent, net, average, duration in cursor.fetchall()
        ]


def curve(connection: Connection, window: Window, bot: BotId | None) -> Curve:
    """The result over the window, starting from 0, in steps as `Window.step` says. Its last step is the `result` of
    `figures`."""
    with transaction(connection) as cursor:
        cursor.execute(
            f"SELECT min(day), coalesce(sum(fills), 0) FROM {_daily(bot)}"
            f" WHERE day BETWEEN %(since)s AND %(until)s {_of(bot)}",
            {"since": window.since, "until": window.until, "bot": bot},
        )
        # A young ledger has a week to show, also to who asks for a year: it is told as finely as a week.
        ((first, fills),) = cursor.fetchall()
        window = Window(first or window.since, window.until)
        step = window.step(fills)
        moved = (_DAYS if step == _DAILY else _PARTS_OF_DAYS).format(daily=_daily(bot), of=_of(bot))
        cursor.execute(
            f"""
            WITH moved AS ({moved}),
            summed AS (
                SELECT at, sum(sum(result)) OVER (ORDER BY at) AS total FROM moved GROUP BY at
            ),
            high AS (
                SELECT at, total, greatest(0, max(total) OVER (ORDER BY at)) AS peak FROM summed
            )
            SELECT at, total, total - peak, min(total - peak) OVER () FROM high ORDER BY at
            """,
            {
                "since": window.since,
                "until": window.until,
                "start": window.start,
                "end": window.end,
                "step": step,
                "bot": bot,
            },
        )
        rows = cursor.fetchall()
    return Curve(
        steps=tuple(Step(at, total, drawdown) for at, total, drawdown, _ in rows),
        every=step,
        worst_drawdown=rows[0][3] if rows else Decimal(0),
    )


_DAYS = """
    SELECT (day + 1)::timestamp AT TIME ZONE 'UTC' AS at, gross_pnl - fees + funding AS result
    FROM {daily} WHERE day BETWEEN %(since)s AND %(until)s {of}
"""
# What the daily views add up, more finely: price P&L where a round trip closed, fees and funding where they were paid.
_PARTS_OF_DAYS = """
    SELECT date_bin(%(step)s, closed_at, %(start)s) + %(step)s AS at, sum(gross_pnl) AS result
    FROM trading.round_trips WHERE closed_at >= %(start)s AND closed_at < %(end)s {of}
    GROUP BY 1
    UNION ALL
    SELECT date_bin(%(step)s, exec_time, %(start)s) + %(step)s, -sum(fee)
    FROM trading.owned_fills
    WHERE exec_time >= %(start)s AND exec_time < %(end)s AND bot IS NOT NULL
        AND account NOT IN (SELECT account FROM trading.uncounted_accounts) {of}
    GROUP BY 1
"""


def _daily(bot: BotId | None) -> str:
    return "trading.portfolio_daily_performance" if bot is None else "trading.bot_daily_performance"


def _of(bot: BotId | None) -> str:
    return "" if bot is None else "AND bot = %(bot)s"


def _figures(row: list[object] | tuple[object, ...]) -> Figures:
    return Figures(**dict(zip(Figures.__dataclass_fields__, row, strict=True)))  # type: ignore[arg-type]
