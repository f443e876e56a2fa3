"""A month's report on a terminal."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from alpha.reporting.month import MonthReport, Performance
from alpha.reporting.page import exact, money, signed


def show(console: Console, report: MonthReport) -> None:
    console.print(
        f"{report.month}: {report.proof.words}", style="green" if report.proof.holds else "bold red", highlight=False
    )
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("bot", no_wrap=True)
    for name in ("trips", "won", "gross", "fees", "funding", "result", "return", "deepest fall"):
        table.add_column(name, justify="right", no_wrap=True)
    for performance in (*report.bots, report.portfolio):
        table.add_row(*_row(performance), style="bold" if performance is report.portfolio else None)
    console.print(table)
    for account in report.accounts:
        console.print(
            f"{account.account} {account.coin}: {exact(account.exchange[0])} opened, "
            f"{exact(account.exchange[-1])} closed, residual {exact(account.residual)}",
            highlight=False,
        )
    for left in report.proof.unattributed:
        console.print(
            f"{left.account} unattributed: {left.fills} fills, fees {exact(left.fees)}, funding {exact(left.funding)}, "
            "in no bot's result: see alpha assign",
            style="red",
            highlight=False,
        )
    for early in report.before:
        console.print(
            f"{early.account} before the ledger's beginning: {early.fills} fills, fees {exact(early.fees)}, funding "
            f"{exact(early.funding)}, in no bot's result",
            highlight=False,
        )


def _row(each: Performance) -> tuple[str, ...]:
    return (
        each.name,
        str(len(each.trades)),
        str(each.won),
        signed(each.gross_pnl),
        money(each.fees),
        signed(each.funding),
        signed(each.result),
        "-" if each.return_percent is None else f"{signed(each.return_percent)} %",
        money(each.drawdown),
    )
