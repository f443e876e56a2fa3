"""Views say what they should, and the question asked most is answered from an index."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import pytest

from alpha.domain.fill import ExecType
from alpha.domain.ids import AccountName, BotId
from alpha.domain.position import Position
from alpha.domain.reason import Reason
from alpha.domain.side import Side
from alpha.exchange.account_state import ExchangePosition
from alpha.ledger.connection import Connection, transaction
from alpha.ledger.fills import FillRecorder
from alpha.ledger.heads import take_account
from alpha.ledger.positions import upsert_positions
from alpha.ledger.registry import AccountKind, RegisteredAccount, sync_registry
from tests.integration.ledger.heard import BOT, MAIN, heard
from tests.unit.domain.fills import BTCUSDT, START, a_fill

Login = Callable[[str], Connection]


def rows(connection: Connection, statement: str) -> list[dict[str, object]]:
    with transaction(connection) as cursor:
        cursor.execute(statement)
        columns = [column.name for column in cursor.description or ()]
        return [dict(zip(columns, row, strict=True)) for row in cursor.fetchall()]


@pytest.fixture
def history(recorder: FillRecorder) -> None:
    """Two round trips that end on different days, funding in between, and a short that stays open."""
    day = 24 * 3600
    recorder.record(
        [
            heard(a_fill(Side.BUY, "2", at="100", n=0, fee="0.5")),
            heard(a_fill(Side.SELL, "2", at="110", n=60, fee="0.5"), reason=Reason.TAKE_PROFIT),
            heard(a_fill(Side.SELL, "1", at="200", n=120, fee="0.25")),
            heard(
                a_fill(Side.SELL, "1", at="200", n=day, fee="-0.1", exec_type=ExecType.FUNDING), reason=Reason.FUNDING
            ),
            heard(a_fill(Side.BUY, "1", at="210", n=day + 60, fee="0.25"), reason=Reason.STOP_LOSS),
            heard(a_fill(Side.SELL, "3", at="300", n=day + 120, fee="1")),
        ]
    )


@pytest.mark.usefixtures("history")
def test_daily_performance(login: Login) -> None:
    # START is 2025-10-14 20:00 UTC. Day one: 2 * (110 - 100) = 20 gross, 1 of fees on it, 0.25 more for the entry.
    # Day two: (200 - 210) = -10 gross, 0.5 of fees, 0.1 of funding received.
    first, second = rows(login("reader"), "SELECT * FROM trading.bot_daily_performance ORDER BY day")
    assert first == {
        "bot": BOT,
        "day": date(2025, 10, 14),
        "fills": 3,
        "volume": Decimal(620),
        "fees": Decimal("1.25"),
        "funding": Decimal(0),
        "trades": 1,
        "wins": 1,
        "losses": 0,
        "gross_pnl": Decimal(20),
        "net_pnl": Decimal(19),
        "maker_volume": Decimal(0),
        "won": Decimal(19),
        "lost": Decimal(0),
        "profit_factor": None,
        "win_percent": Decimal(100),
    }
    assert (second["trades"], second["losses"], second["gross_pnl"]) == (1, 1, Decimal(-10))
    assert (second["fees"], second["funding"], second["net_pnl"]) == (Decimal("1.25"), Decimal("0.1"), Decimal("-10.4"))


@pytest.mark.usefixtures("history")
def test_position_summaries(login: Login, writer: Connection) -> None:
    upsert_positions(
        writer,
        [
            ExchangePosition(
                account=MAIN,
                category="linear",
                symbol=BTCUSDT,
                position_idx=0,
                position=Position(Decimal(-3), Decimal(300)),
                mark_price=Decimal(290),
                unrealized_pnl=Decimal(30),
                liq_price=None,
                take_profit=None,
                stop_loss=Decimal(305),
                trailing_stop=None,
                leverage=None,
                seq=1,
                updated_at=START,
            )
        ],
    )
    (row,) = rows(login("reader"), "SELECT * FROM trading.position_summaries")
    assert (row["direction"], row["quantity"], row["entry_price"]) == ("short", Decimal(-3), Decimal(300))
    # (290 - 300) * -3
    assert (row["unrealized_pnl"], row["stop_loss"]) == (Decimal(30), Decimal(305))
    # 20 - 10 of price, 2.5 of fees, 0.1 of funding
    assert (row["realized_pnl"], row["net_pnl"], row["fills"]) == (Decimal(10), Decimal("7.6"), 6)


@pytest.mark.usefixtures("history")
def test_exit_reasons(login: Login) -> None:
    found = rows(login("reader"), "SELECT * FROM trading.exit_reason_analysis ORDER BY exit_reason")
    assert [(row["exit_reason"], row["trades"], row["wins"], row["win_percent"]) for row in found] == [
        ("stop_loss", 1, 0, Decimal(0)),
        ("take_profit", 1, 1, Decimal(100)),
    ]
    assert [row["net_pnl"] for row in found] == [Decimal("-10.4"), Decimal(19)]
    assert found[1]["average_duration"] == timedelta(seconds=60)


@pytest.mark.usefixtures("history")
def test_a_bots_whole_life(login: Login) -> None:
    (row,) = rows(login("reader"), "SELECT * FROM trading.bot_performance")
    assert (row["fills"], row["trades"], row["net_pnl"]) == (6, 2, Decimal("7.6"))


@pytest.mark.usefixtures("history")
def test_backtests_are_left_out_unless_asked_for(writer: Connection, login: Login) -> None:
    lab = AccountName("lab")
    sync_registry(writer, [RegisteredAccount(account=lab, kind=AccountKind.BACKTEST)], [])
    recorder = FillRecorder(writer, {lab: take_account(writer, lab, "tests")})
    for n, side in enumerate([Side.BUY, Side.SELL]):
        recorder.record([heard(a_fill(side, "1", at="100", n=n), BotId("tested"), account=lab)])
    reader = login("reader")
    for view in ("bot_daily_performance", "position_summaries", "exit_reason_analysis", "bot_performance"):
        statement = f"SELECT DISTINCT bot FROM trading.{view} ORDER BY bot"
        assert [row["bot"] for row in rows(reader, statement)] == [BOT]
        with transaction(reader) as cursor:
            cursor.execute("SET LOCAL alpha.include_backtest = 'on'")
            assert [row["bot"] for row in rows(reader, statement)] == [BOT, "tested"]


def plan(connection: Connection, statement: str) -> str:
    return "\n".join(str(row["QUERY PLAN"]) for row in rows(connection, f"EXPLAIN {statement}"))


def test_bot_symbol_and_time_are_answered_from_an_index(recorder: FillRecorder, login: Login) -> None:
    # given 6,000 fills of three bots in two months
    batch = []
    for n in range(6000):
        fill = replace(a_fill(Side.BUY, "1", at="100", n=n), exec_time=START + timedelta(minutes=10 * n))
        batch.append(heard(fill, BotId(f"bot_{n % 3}")))
    recorder.record(batch)
    with transaction(login("owner")) as cursor:
        cursor.execute("ANALYZE trading.fills")
    # when a bot's hour of a symbol is asked for
    hour = (
        "SELECT * FROM trading.fills WHERE bot = 'bot_1' AND symbol = 'BTCUSDT'"
        " AND exec_time >= '2025-10-20T00:00Z' AND exec_time < '2025-10-20T01:00Z'"
    )
    reader = login("reader")
    found = plan(reader, hour)
    # then only its month is looked at, through the index of bot, symbol and time
    assert "fills_2025_10_bot_symbol_exec_time_idx" in found
    assert "fills_2025_11" not in found
    assert "Seq Scan" not in found
    assert len(rows(reader, hour)) == 2
    # and a bot reading on from its cursor, or an account from a time on, does not read everything either
    following = "SELECT * FROM trading.fills WHERE bot = 'bot_1' AND bot_seq > 1990 ORDER BY bot_seq LIMIT 100"
    assert "bot_bot_seq_exec_time_idx" in plan(reader, following)
    account = "SELECT * FROM trading.fills WHERE account = 'main' AND exec_time >= '2025-11-25T00:00Z'"
    assert "account_exec_time_idx" in plan(reader, account)
    known = (
        "SELECT * FROM trading.fills WHERE account = 'main' AND category = 'linear' AND symbol = 'BTCUSDT'"
        " AND exec_id = 'exec-77'"
    )
    assert plan(reader, known).count("_pkey") >= 2
