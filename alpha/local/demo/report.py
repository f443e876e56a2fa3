"""The verdict of a demo: what must hold for it to pass, and how it is told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from rich.console import Console
from rich.table import Table

from alpha.local.demo.comparison import Comparison
from alpha.local.demo.screen import Latency

_SHOWN_IDS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class BotOutcome:
    """What one bot did. Amounts in USDT; `positions` are signed quantities by symbol, flat ones left out.

    `needs_short_with_stop`: the bot must have opened a short whose stop was in its entry order.
    """

    fills: int
    realized_pnl: Decimal
    net_pnl: Decimal
    fees: Decimal
    positions: Mapping[str, Decimal]
    may_wait: bool = False
    """Whether a run without a fill is as it should be: some strategies find nothing in a few hours of market."""
    needs_short_with_stop: bool = False
    shorts_with_stop: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoReport:
    """The outcome of one demo run."""

    comparison: Comparison
    bots: Mapping[str, BotOutcome]
    orders: int
    bars: int
    bars_waited: int
    to_commit: Latency
    to_redis: Latency
    seed: int
    market: str
    restarts: int

    def failures(self) -> list[str]:
        """Every reason why the run does not pass; empty when it does."""
        found = []
        for bot, outcome in self.bots.items():
            if outcome.fills == 0 and not outcome.may_wait:
                found.append(f"{bot} never filled")
            if outcome.needs_short_with_stop and outcome.shorts_with_stop == 0:
                found.append(f"{bot} opened no short with its stop set")
        comparison = self.comparison
        counts = {
            "fills missing in the ledger": comparison.missing,
            "fills the exchange never made": comparison.invented,
            "fills that differ in id, price, quantity or fee": comparison.differing,
        }
        for what, ids in counts.items():
            if ids:
                more = "" if len(ids) <= _SHOWN_IDS else f" and {len(ids) - _SHOWN_IDS} more"
                found.append(f"{len(ids)} {what}: {', '.join(ids[:_SHOWN_IDS])}{more}")
        if comparison.duplicates:
            found.append(f"{comparison.duplicates} fills recorded more than once")
        if comparison.unattributed:
            found.append(f"{comparison.unattributed} fills without an owner")
        for check in comparison.drifted:
            found.append(
                f"{check.bot} {check.symbol}: exchange {check.exchange}, ledger {check.ledger}, Redis {check.live}"
            )
        if comparison.open_positions == 0:
            found.append("no position was open when exchange, ledger and Redis were compared")
        return found

    @property
    def passed(self) -> bool:
        return not self.failures()

    def to_json(self) -> dict[str, Any]:
        """The documented object of `alpha demo --json`. Money is a string, milliseconds are numbers."""
        comparison = self.comparison
        return {
            "passed": self.passed,
            "failures": self.failures(),
            "orders": self.orders,
            "exchange_fills": comparison.exchange_fills,
            "ledger_fills": comparison.ledger_fills,
            "missing": len(comparison.missing),
            "invented": len(comparison.invented),
            "differing": len(comparison.differing),
            "duplicates": comparison.duplicates,
            "unattributed": comparison.unattributed,
            "positions_checked": len(comparison.positions),
            "positions_open": comparison.open_positions,
            "positions_drifted": len(comparison.drifted),
            "bars": self.bars,
            "bars_waited": self.bars_waited,
            "restarts": self.restarts,
            "fill_to_commit_ms": {"p50": self.to_commit.p50, "p99": self.to_commit.p99},
            "fill_to_redis_ms": {"p50": self.to_redis.p50, "p99": self.to_redis.p99},
            "seed": self.seed,
            "market": self.market,
            "bots": {
                bot: {
                    "fills": outcome.fills,
                    "realized_pnl": format(outcome.realized_pnl, "f"),
                    "net_pnl": format(outcome.net_pnl, "f"),
                    "fees": format(outcome.fees, "f"),
                    "position": {symbol: format(size, "f") for symbol, size in outcome.positions.items()},
                }
                for bot, outcome in self.bots.items()
            },
        }

    def print(self, console: Console) -> None:
        """The summary for a person."""
        table = Table(title="What each bot did", title_justify="left", box=None, header_style="bold")
        table.add_column("bot")
        for title in ("fills", "realized", "fees", "net P&L"):
            table.add_column(title, justify="right")
        table.add_column("position")
        for bot, outcome in self.bots.items():
            held = ", ".join(f"{size.normalize():+f} {symbol}" for symbol, size in outcome.positions.items())
            table.add_row(
                bot,
                str(outcome.fills),
                f"{outcome.realized_pnl:+,.2f}",
                f"{outcome.fees:,.2f}",
                f"{outcome.net_pnl:+,.2f}",
                held or "flat",
            )
        console.print(table)
        comparison = self.comparison
        console.print(
            f"\n{self.orders} orders and {comparison.exchange_fills} fills on the exchange, "
            f"{comparison.ledger_fills} in the ledger; {len(comparison.positions)} positions compared, "
            f"{comparison.open_positions} of them open; fill to commit {self.to_commit} (p50 / p99), "
            f"to Redis {self.to_redis}.",
            soft_wrap=True,
        )
        if self.passed:
            console.print(
                "The ledger equals what the exchange did: 0 missing, 0 duplicates, 0 unattributed, 0 drifted.",
                soft_wrap=True,
            )
        for failure in self.failures():
            console.print(f"NOT PASSED: {failure}", style="red", highlight=False, soft_wrap=True)
