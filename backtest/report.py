"""An outcome as JSON and as tables on a terminal."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table

from alpha.domain.trade import Trade
from backtest.outcome import Outcome
from backtest.statistics import Statistic, Unit, statistics
from backtest.tables import Group, by_exit_reason, by_symbol, months

_SHOWN_WITH = {
    Unit.PERCENT: "{:,.2f} %",
    Unit.USDT: "{:,.2f} USDT",
    Unit.RATIO: "{:,.2f}",
    Unit.HOURS: "{:,.2f} h",
    Unit.DAYS: "{:,.1f} days",
    Unit.COUNT: "{:,.0f}",
}


def shown(statistic: Statistic) -> str:
    """A figure with its unit, `-` where it is not defined."""
    return "-" if statistic.value is None else _SHOWN_WITH[statistic.unit].format(statistic.value)


def notes(outcome: Outcome) -> list[str]:
    """What a reader has to know before believing the figures, one sentence each."""
    recordings = outcome.recordings
    found = [
        f"{gap.symbol} lacks {gap.bars} candles from {gap.start:%Y-%m-%d %H:%M} to {gap.end:%Y-%m-%d %H:%M} UTC: "
        "no entry is made there, nor until its indicators have seen enough bars again"
        for gap in outcome.gaps
    ]
    if recordings.without_marks:
        found.append(f"no mark prices of {', '.join(recordings.without_marks)}: the close stands for them")
    if recordings.without_funding:
        found.append(f"no funding rates of {', '.join(recordings.without_funding)}: none was paid or received")
    found += [
        f"{symbol} could not be traded at all: too few bars in a row"
        for symbol, at in outcome.first_tradable.items()
        if at is None
    ]
    found += outcome.plan.left_out
    found += [f"{count} entries were denied: {code}" for code, count in sorted(outcome.denials.items())]
    return found


def as_json(outcome: Outcome) -> dict[str, Any]:
    """Plain values: ratios as numbers, money as text without loss."""
    plan = outcome.plan
    return {
        "strategy": plan.strategy.__name__,
        "bot": plan.bot,
        "symbols": list(plan.symbols),
        "parameters": plan.params.model_dump(mode="json"),
        "limits": plan.limits.model_dump(mode="json"),
        "interval_minutes": outcome.recordings.interval.total_seconds() / 60,
        "from": outcome.start.isoformat(),
        "to": outcome.end.isoformat(),
        "bars": outcome.bars,
        "balance_at_start": str(plan.balance),
        "balance_at_end": str(outcome.balance),
        "equity_at_end": str(outcome.equity),
        "costs": {
            "half_spread": str(plan.liquidity.half_spread),
            "level_spacing": str(plan.liquidity.level_spacing),
            "fees": {s: {"taker": str(m.fees.taker), "maker": str(m.fees.maker)} for s, m in plan.markets.items()},
        },
        "figures": {figure.name: figure.value for figure in statistics(outcome)},
        "definitions": {figure.name: figure.definition for figure in statistics(outcome)},
        "months": {f"{month.year}-{month.month:02}": month.percent for month in months(outcome.curve)},
        "exit_reasons": [_group(group) for group in by_exit_reason(outcome.trades)],
        "by_symbol": [_group(group) for group in by_symbol(outcome.trades)],
        "best_trade": _trade(max(outcome.trades, key=lambda trade: trade.net_pnl, default=None)),
        "worst_trade": _trade(min(outcome.trades, key=lambda trade: trade.net_pnl, default=None)),
        "first_tradable_bar": {
            symbol: None if at is None else at.isoformat() for symbol, at in outcome.first_tradable.items()
        },
        "gaps": [
            {"symbol": gap.symbol, "from": gap.start.isoformat(), "to": gap.end.isoformat(), "bars": gap.bars}
            for gap in outcome.gaps
        ],
        "open_positions": [
            {"symbol": held.symbol, "quantity": str(held.quantity), "entry_price": str(held.entry_price)}
            for held in outcome.open
        ],
        "denials": dict(outcome.denials),
        "alerts": len(outcome.told),
        "notes": notes(outcome),
    }


def show(console: Console, outcome: Outcome) -> None:
    plan = outcome.plan
    console.print(
        f"[bold]{plan.strategy.__name__}[/bold] on {', '.join(plan.symbols)}, "
        f"{outcome.start:%Y-%m-%d %H:%M} to {outcome.end:%Y-%m-%d %H:%M} UTC, {outcome.bars:,} bars of "
        f"{outcome.recordings.interval.total_seconds() / 60:.0f} minutes, {plan.balance:,} USDT at the start"
    )
    table = Table(show_header=False, box=None, pad_edge=False)
    for figure in statistics(outcome):
        table.add_row(figure.title, shown(figure), f"[dim]{figure.definition}[/dim]")
    console.print(table)
    for title, groups in (("exit reason", by_exit_reason(outcome.trades)), ("symbol", by_symbol(outcome.trades))):
        if groups:
            console.print(_group_table(title, groups))
    console.print(_month_table(outcome))
    first = Table("symbol", "first tradable bar closed", box=None, pad_edge=False)
    for symbol, at in outcome.first_tradable.items():
        first.add_row(symbol, "never" if at is None else f"{at:%Y-%m-%d %H:%M} UTC")
    console.print(first)
    for note in notes(outcome):
        console.print(f"note: {note}", style="yellow", highlight=False)


def _group_table(title: str, groups: list[Group]) -> Table:
    table = Table(title, "trades", "won", "net P&L", "fees", "funding", "mean hold", box=None, pad_edge=False)
    for group in groups:
        table.add_row(
            group.name,
            f"{group.trades:,}",
            f"{group.win_rate_percent:.0f} %",
            f"{group.net_pnl:,.2f}",
            f"{group.fees:,.2f}",
            f"{group.funding:,.2f}",
            f"{group.mean_hold.total_seconds() / 3600:.1f} h",
        )
    return table


def _month_table(outcome: Outcome) -> Table:
    table = Table("month", "return", box=None, pad_edge=False)
    for month in months(outcome.curve):
        table.add_row(f"{month.year}-{month.month:02}", f"{month.percent:+.2f} %")
    return table


def _group(group: Group) -> dict[str, Any]:
    return {
        "name": group.name,
        "trades": group.trades,
        "win_rate_percent": group.win_rate_percent,
        "net_pnl": str(group.net_pnl),
        "fees": str(group.fees),
        "funding": str(group.funding),
        "mean_hold_hours": group.mean_hold.total_seconds() / 3600,
    }


def _trade(trade: Trade | None) -> dict[str, Any] | None:
    if trade is None:
        return None
    return {
        "symbol": trade.key.symbol,
        "direction": trade.direction.value,
        "opened_at": trade.opened_at.isoformat(),
        "closed_at": trade.closed_at.isoformat(),
        "net_pnl": str(trade.net_pnl),
        "exit_reason": trade.exit_reason.value,
    }
