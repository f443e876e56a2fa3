"""The demo's live screen in terminals of different width."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from rich.console import Console

from alpha.local.demo.screen import BotView, Latency, PositionView, Snapshot, picture

LATENCY = Latency(p50=12.34, p99=145.67)


def position(symbol: str, quantity: str, price: str) -> PositionView:
    return PositionView(symbol=symbol, quantity=Decimal(quantity), entry_price=Decimal(price), stop=Decimal("64000.5"))


def shown(width: int) -> list[str]:
    held = [position("BTCUSDT", "-0.1634", "63012.3456"), position("SOLUSDT", "123.456789", "150.23456")]
    bots = [
        BotView(
            bot=name,
            state="running",
            positions=held,
            last_fill="03 12:05 sell 0.1634 BTCUSDT at 63012.3",
            fills=128,
            realized_pnl=Decimal("-1234.567"),
            fees=Decimal("123.456"),
            net_pnl=Decimal("-1358.023"),
        )
        for name in ("shortseller_001", "canary_001")
    ]
    snapshot = Snapshot(
        elapsed_s=10,
        total_s=60,
        speed=1800,
        market_time=datetime(2025, 1, 3, 12, 5, tzinfo=UTC),
        bars=123,
        bars_waited=12,
        orders=1300,
        exchange_fills=1200,
        ledger_fills=1188,
        listener="live",
        feed="live",
        to_commit=LATENCY,
        to_redis=LATENCY,
        bots=bots,
    )
    console = Console(width=width, height=40, force_terminal=True, color_system=None)
    with console.capture() as captured:
        console.print(picture(snapshot, width))
    return captured.get().splitlines()


@pytest.mark.parametrize("width", [80, 100, 140, 180])
def test_names_and_positions_are_whole_at_any_usual_width(width: int) -> None:
    lines = shown(width)
    assert all(len(line) <= width for line in lines)
    assert not [line for line in lines if "\u2026" in line]
    assert sum("shortseller_001" in line for line in lines) == 1
    assert sum("BTCUSDT at 63012" in line for line in lines) >= 2


def test_a_narrow_screen_has_one_line_per_position_and_leaves_out_what_does_not_fit() -> None:
    narrow = shown(80)
    assert len(narrow) == len(shown(180))
    assert not [line for line in narrow if "stop" in line or "last fill" in line]
    assert [line for line in shown(180) if "stop 64000.5" in line]
    assert any("-0.1634 BTCUSDT at 63012" in line and "-1,235" in line for line in narrow)
    assert any("+123.46 SOLUSDT at 150.23" in line for line in narrow)
