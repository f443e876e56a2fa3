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

_WIDE = 110
"""Columns from which on there is room for everything."""


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
class PositionView:
    """An open position; `quantity` is signed."""

    symbol: str
    quantity: Decimal
    entry_price: Decimal
    stop: Decimal | None

    def __str__(self) -> str:
        stop = f" stop {self.stop}" if self.stop else ""
        return f"{self.quantity.normalize():+f} {self.symbol} at {self.entry_price:.2f}{stop}"

    def short(self) -> str:
        """Five digits of each number, and no stop."""
        return f"{_five_digits(self.quantity):+f} {self.symbol} at {_five_digits(self.entry_price):f}"


@dataclass(frozen=True, slots=True, kw_only=True)
class BotView:
    bot: str
    state: str
    positions: Sequence[PositionView]
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


def picture(snapshot: Snapshot, width: int) -> RenderableType:
    """The live screen for a terminal of so many columns. A narrow one shows less of each bot, one line per position."""
    narrow = width < _WIDE
    table = Table(expand=True, box=None, header_style="bold", pad_edge=False, collapse_padding=narrow)
    table.add_column("bot", no_wrap=True, min_width=max((len(view.bot) for view in snapshot.bots), default=0))
    table.add_column("state", no_wrap=True)
    table.add_column("position", no_wrap=True)
    if not narrow:
        table.add_column("last fill")
    for title in ("fills", "realized", "fees", "net" if narrow else "net P&L"):
        table.add_column(title, justify="right", no_wrap=True)
    for view in snapshot.bots:
        table.add_row(
            Text(view.bot, style="cyan"),
            Text(view.state, style="green" if view.state == "running" else "yellow"),
            "\n".join(held.short() if narrow else str(held) for held in view.positions) or "flat",
            *(() if narrow else (view.last_fill,)),
            str(view.fills),
            _money(view.realized_pnl, narrow),
            f"{view.fees:,.0f}" if narrow else f"{view.fees:,.2f}",
            _money(view.net_pnl, narrow),
        )
    fill_to, on_their_way = ("", "behind") if narrow else ("fill to ", "on their way")
    health = Table.grid(padding=(0, 2))
    health.add_row("listener", _state(snapshot.listener), f"{fill_to}commit p50 / p99", str(snapshot.to_commit))
    health.add_row("feed", _state(snapshot.feed), f"{fill_to}Redis  p50 / p99", str(snapshot.to_redis))
    behind = snapshot.exchange_fills - snapshot.ledger_fills
    health.add_row(
        "exchange",
        f"{snapshot.orders} orders, {snapshot.exchange_fills} fills",
        "ledger",
        f"{snapshot.ledger_fills} fills" + (f", {behind} {on_their_way}" if behind > 0 else ""),
    )
    title = (
        f"market {snapshot.market_time:%Y-%m-%d %H:%M} UTC   x{snapshot.speed:g}   bar {snapshot.bars}"
        f"   waited for bots in {snapshot.bars_waited}"
    )
    progress = ProgressBar(total=snapshot.total_s, completed=min(snapshot.elapsed_s, snapshot.total_s))
    return Panel(
        Group(table, "", health, "", progress), title=title, title_align="left", padding=(1, 1 if narrow else 2)
    )


def plain_line(snapshot: Snapshot) -> str:
    """The same in one line, for a log or a pipe."""
    bots = "; ".join(
        f"{view.bot} {view.fills} fills net {view.net_pnl:.2f} {', '.join(map(str, view.positions)) or 'flat'}"
        for view in snapshot.bots
    )
    return (
        f"{snapshot.elapsed_s:5.1f}s market {snapshot.market_time:%Y-%m-%d %H:%M} "
        f"exchange {snapshot.exchange_fills} ledger {snapshot.ledger_fills} fills, listener {snapshot.listener}, "
        f"feed {snapshot.feed}, to commit {snapshot.to_commit}, to Redis {snapshot.to_redis} | {bots}"
    )


def _state(state: str) -> Text:
    return Text(state, style="green" if state == "live" else "yellow")


def _money(amount: Decimal, whole: bool) -> Text:
    shown = round(amount, 0 if whole else 2) + 0  # no -0
    return Text(f"{shown:+,f}", style="green" if amount >= 0 else "red")


def _five_digits(value: Decimal) -> Decimal:
    """For a look, not to count with."""
    places = max(0, 4 - max(value.adjusted(), 0))
    return round(value, places).normalize()
