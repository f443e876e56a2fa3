"""`/daily` and `/analytics`: what was made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta

from alpha.domain.ids import BotId
from alpha.ledger.analytics import Curve, Figures, ReasonFigures, Window
from telegram_manager.rendering import amounts
from telegram_manager.rendering.answer import (
    Align,
    Answer,
    Button,
    Column,
    Facts,
    Picture,
    Table,
    Text,
    Tone,
    answer_of,
)

_DAYS = (
    Column("day"),
    Column("net", Align.RIGHT),
    Column("fees", Align.RIGHT),
    Column("funding", Align.RIGHT, spare=True),
    Column("trades", Align.RIGHT),
    Column("won", Align.RIGHT),
    Column("volume", Align.RIGHT, spare=True),
)
_PARTS = (
    Column("net", Align.RIGHT),
    Column("fees", Align.RIGHT, begins=True, spare=True),
    Column("funding", Align.RIGHT, spare=True),
    Column("trades", Align.RIGHT, begins=True),
    Column("won", Align.RIGHT),
    Column("factor", Align.RIGHT, spare=True),
)
_REASONS = (
    Column("exit"),
    Column("net", Align.RIGHT),
    Column("trades", Align.RIGHT),
    Column("won", Align.RIGHT),
    Column("average", Align.RIGHT, spare=True),
    Column("held", Align.RIGHT, spare=True),
)
_STEPS = {timedelta(minutes=5): "5 minutes", timedelta(hours=1): "an hour", timedelta(days=1): "a day"}


def daily_page(days: Sequence[tuple[date, Figures]], bot: BotId | None) -> Answer:
    """Newest first; days without a fill or a closed trade are not there."""
    if not days:
        return answer_of([Text(f"No day of {_of(bot)} yet.", Tone.HEADING)])
    rows = tuple(
        (
            f"{day:%m-%d}",
            amounts.signed(made.result),
            amounts.signed(-made.fees),
            amounts.signed(made.funding),
            str(made.trades),
            _won(made),
            f"{made.volume:,.0f}",
        )
        for day, made in days
    )
    return answer_of(
        [
            Text(f"Daily results of {_of(bot)} in USDT", Tone.HEADING),
            Table(_DAYS, rows),
            Text("Days of the market, UTC. Net is price P&L of closed trades, less fees, plus funding.", Tone.NOTE),
        ],
        buttons=[[Button("Analytics", f"/analytics {bot or 'all'} {max(len(days), 7)}")]],
    )


def day_page(day: date, made: Figures, bots: Mapping[BotId, Figures]) -> Answer:
    """One day and what each bot made on it; bots without a fill or a closed trade are not there."""
    summed = f"{amounts.usdt(made.result)} net, {amounts.count(made.trades, 'trade')}"
    heading = f"Summary of {day:%Y-%m-%d} (UTC): {summed if bots else 'no fill and no closed trade'}"
    return answer_of([Text(heading, Tone.HEADING), *([_parts("bot", bots)] if bots else [])])


def analytics_page(
    window: Window,
    bot: BotId | None,
    made: Figures,
    curve: Curve,
    *,
    bots: Mapping[BotId, Figures],
    symbols: Mapping[str, Figures],
    reasons: Sequence[ReasonFigures],
    chart: bytes | None,
) -> Answer:
    """Totals, then by bot, by symbol and by exit reason; amounts in USDT."""
    name = bot or "all"
    title = f"{'All bots' if bot is None else bot}, {amounts.count(window.days, 'day')}"
    picture = [] if chart is None else [Picture(chart, f"analytics-{name}-{window.days}.png", _caption(title, made))]
    others = [days for days in (7, 30, 90, 365) if days != window.days]
    return answer_of(
        [
            Text(title, Tone.HEADING),
            Text(f"{window.since:%Y-%m-%d} to {window.until:%Y-%m-%d}, days of the market, UTC", Tone.NOTE),
            Facts(tuple(_totals(made, curve))),
            _parts("bot", bots),
            _parts("symbol", symbols),
            Table(_REASONS, tuple(map(_reason, reasons)), "By exit reason, USDT"),
            *picture,
        ],
        buttons=[[Button(f"{days} days", f"/analytics {name} {days}") for days in others]],
    )


def _totals(made: Figures, curve: Curve) -> Iterator[tuple[str, str]]:
    yield "net", amounts.usdt(made.result)
    yield "price P&L", amounts.usdt(made.gross_pnl)
    yield "fees", amounts.usdt(-made.fees)
    yield "funding", amounts.usdt(made.funding)
    yield "trades", f"{made.trades:,}, {made.wins:,} won, {made.losses:,} lost"
    yield "win rate", amounts.percent(made.win_percent)
    yield "profit factor", amounts.ratio(made.profit_factor)
    yield "worst drawdown", f"{amounts.usdt(curve.worst_drawdown)}, in steps of {_STEPS[curve.every]}"
    yield "fills", f"{made.fills:,}"
    yield "volume", amounts.held(made.volume)


def _caption(title: str, made: Figures) -> str:
    return f"{title}: {amounts.usdt(made.result)} net, {amounts.count(made.trades, 'trade')}"


def _parts(of: str, parts: Mapping[BotId, Figures] | Mapping[str, Figures]) -> Table:
    rows = tuple((name, *_part(made)) for name, made in parts.items())
    return Table((Column(of), *_PARTS), rows, f"By {of}, USDT")


def _part(made: Figures) -> tuple[str, ...]:
    return (
        amounts.signed(made.result),
        amounts.signed(-made.fees),
        amounts.signed(made.funding),
        str(made.trades),
        _won(made),
        amounts.ratio(made.profit_factor),
    )


def _reason(made: ReasonFigures) -> tuple[str, ...]:
    return (
        made.reason,
        amounts.signed(made.net_pnl),
        str(made.trades),
        f"{made.win_percent:.0f} %",
        amounts.signed(made.average_net_pnl),
        amounts.duration(made.average_duration),
    )


def _won(made: Figures) -> str:
    return amounts.NONE if made.win_percent is None else f"{made.win_percent:.0f} %"


def _of(bot: BotId | None) -> str:
    return "all bots" if bot is None else bot
