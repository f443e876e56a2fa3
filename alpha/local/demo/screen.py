"""What a demo shows while it runs. Pure: a snapshot in, a picture or a line of text out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """Milliseconds from the moment the exchange made the frame; None before the first fill."""

    p50: float | None
    p99: float | None

    def __str__(self) -> str:
        if self.p50 is None or self.p99 is None:
            return "-"
        return f"{self.p50:.1f} / {self.p99:.1f} ms"


@dataclass(frozen=True, slots=True, kw_only=True)
class BotView:
    bot: str
    state: str
    positions: Sequence[str]
    last_fill: str
    fills: int
    realized_pnl: Decimal
    fees: Decimal
    net_pnl: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """One moment of a demo."""

    elapsed_s: float
    total_s: float
    speed: float
    market_time: datetime
    bars: int
    bars_waited: int
    orders: int
    exchange_fills: int
    ledger_fills: int
    listener: str
    feed: str
    to_commit: Latency
    to_redis: Latency
    bots: Sequence[BotView]


def picture(snapshot: Snapshot) -> RenderableType:
    """The live screen for a terminal."""
    table = Table(expand=True, box=None, header_style="bold")
    for title in ("bot", "state", "position", "last fill"):
        table.add_column(title)
    for title in ("fills", "realized", "fees", "net P&L"):
        table.add_column(title, justify="right")
    for view in snapshot.bots:
        table.add_row(
            Text(view.bot, style="cyan"),
            Text(view.state, style="green" if view.state == "running" else "yellow"),
            "\n".join(view.positions) or "flat",
            view.last_fill,
            str(view.fills),
            _money(view.realized_pnl),
            _plain_money(view.fees),
            _money(view.net_pnl),
        )
    health = Table.grid(padding=(0, 2))
    health.add_row("listener", _state(snapshot.listener), "fill to commit p50 / p99", str(snapshot.to_commit))
    health.add_row("feed", _state(snapshot.feed), "fill to Redis  p50 / p99", str(snapshot.to_redis))
    behind = snapshot.exchange_fills - snapshot.ledger_fills
    health.add_row(
        "exchange",
        f"{snapshot.orders} orders, {snapshot.exchange_fills} fills",
        "ledger",
        f"{snapshot.ledger_fills} fills" + (f", {behind} on their way" if behind > 0 else ""),
    )
    title = (
        f"market {snapshot.market_time:%Y-%m-%d %H:%M} UTC   x{snapshot.speed:g}   bar {snapshot.bars}"
        f"   waited for bots in {snapshot.bars_waited}"
    )
    progress = ProgressBar(total=snapshot.total_s, completed=min(snapshot.elapsed_s, snapshot.total_s))
    return Panel(Group(table, "", health, "", progress), title=title, title_align="left", padding=(1, 2))


def plain_line(snapshot: Snapshot) -> str:
    """The same in one line, for a log or a pipe."""
    bots = "; ".join(
        f"{view.bot} {view.fills} fills net {view.net_pnl:.2f} {', '.join(view.positions) or 'flat'}"
        for view in snapshot.bots
    )
    return (
        f"{snapshot.elapsed_s:5.1f}s market {snapshot.market_time:%Y-%m-%d %H:%M} "
        f"exchange {snapshot.exchange_fills} ledger {snapshot.ledger_fills} fills, listener {snapshot.listener}, "
        f"feed {snapshot.feed}, to commit {snapshot.to_commit}, to Redis {snapshot.to_redis} | {bots}"
    )


def _state(state: str) -> Text:
    return Text(state, style="green" if state == "live" else "yellow")


def _money(amount: Decimal) -> Text:
    return Text(f"{amount:+,.2f}", style="green" if amount >= 0 else "red")


def _plain_money(amount: Decimal) -> str:
    return f"{amount:,.2f}"
