from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from typing import cast

import pytest

from alpha.domain.clock import EPOCH
from alpha.domain.ids import AccountName
from alpha.domain.order import Order, OrderStatus, OrderType
from alpha.domain.side import Side
from alpha.ledger.alerts import Alert, Severity
from alpha.ledger.analytics import Curve, Figures, ReasonFigures, Step, Window
from alpha.ledger.drift import DriftKind, Finding, OpenDrift
from alpha.ledger.proofs import EntryRow, ProofRow
from alpha.ledger.recent import TradeLine
from alpha.ledger.servers import PoolStanding
from alpha.ledger.standing import AccountStanding
from alpha.live.wallet import LiveWallet
from telegram_manager.rendering.answer import Answer, Facts, Picture, Table, Text, Tone
from telegram_manager.rendering.pages.results_pages import analytics_page, daily_page, day_page
from telegram_manager.rendering.pages.status_page import bot_status_page, headline, health_page, status_page
from telegram_manager.rendering.pages.trading_pages import fills_page, orders_page, positions_page, trades_page
from telegram_manager.rendering.pages.trust_pages import alerts_page, balance_page, drift_page, proof_page
from telegram_manager.rendering.telegram import PHONE_WIDTH, pages
from telegram_manager.rendering.terminal import text
from telegram_manager.seeing.standing import Standing
from tests.unit.seeing.platforms import CANARY, FIRST, NOW, bot, fill, platform, short


def facts(answer: Answer) -> dict[str, str]:
    return {label: value for block in answer.blocks if isinstance(block, Facts) for label, value in block.rows}


def rows(answer: Answer) -> list[dict[str, str]]:
    """The rows of all tables by column."""
    return [
        {column.title: cell for column, cell in zip(block.columns, row, strict=True)}
        for block in answer.blocks
        if isinstance(block, Table)
        for row in block.rows
    ]


def warnings(answer: Answer) -> list[str]:
    return [block.text for block in answer.blocks if isinstance(block, Text) and block.tone is Tone.WARNING]


def figures(**changes: object) -> Figures:
    """17 trades of which 10 won: 30 of price, less 4.5 of fees, plus 0.25 of funding, is 25.75."""
    made = {
        "fills": 68,
        "volume": Decimal(12_345),
        "trades": 17,
        "wins": 10,
        "losses": 7,
        "gross_pnl": Decimal(30),
        "fees": Decimal("4.5"),
        "funding": Decimal("0.25"),
        "result": Decimal("25.75"),
        "win_percent": Decimal("58.8"),
        "profit_factor": Decimal("1.92"),
    }
    return Figures(**(made | changes))  # type: ignore[arg-type]


def test_status_tells_of_every_bot_and_of_the_platform() -> None:
    idle = bot(positions=[], today=None, last_fill=None, started_at=None, beat_at=None)
    answer = status_page(platform(bot(), replace(idle, standing=Standing.PAUSED, why="by telegram:1: news")))
    running, paused = rows(answer)
    assert running == {
        "bot": "canary_001",
        "state": "running",
        "position": "BTCUSDT -0.01 at 60,000.50 (-1.00)",
        "today": "-4.56 USDT",
        "up": "3 h 12 min",
        "beat": "0.4 s",
        "last fill": "11-21 10:42 Sell 0.01 BTCUSDT",
    }
    assert (paused["state"], paused["position"], paused["today"]) == (
        "paused (by telegram:1: news)",
        "flat",
        "0.00 USDT",
    )
    assert (paused["up"], paused["beat"], paused["last fill"]) == ("-", "-", "none")
    told = facts(answer)
    assert told["stream canary"] == "live, frame 0.2 s ago, 0 waiting"
    assert told["feed"] == "live, last bar 11-21 10:45"
    assert told["ledger"] == "3 ms behind, 1,203 fills, last 5.0 s ago"
    assert told["coverage canary"] == "proven until 11-21 10:44"
    assert told["drift"] == "none"
    assert told["database"] == "17 of 100 connections, 3.0 MiB"
    assert told["Redis"] == "2.0 MiB, of 64.0 MiB"
    assert told["disk"] == "40.0 GiB free, 40.0 %"
    assert told["backup"] == "none"
    assert "PgBouncer" not in told
    assert answer.ok


def test_status_says_what_is_wrong_first_and_is_not_ok() -> None:
    answer = status_page(platform(problems=("account canary is not heard: no listener",)))
    assert warnings(answer) == ["account canary is not heard: no listener"]
    assert isinstance(answer.blocks[0], Text)
    assert answer.blocks[0].text == "1 problem, paper: 1 running"
    assert not answer.ok


def test_what_is_not_known_is_shown_as_unknown_and_never_as_flat_or_zero() -> None:
    away = status_page(platform(bot(positions=[], today=None), live_known=False, ledger_known=False, database=None))
    (row,) = rows(away)
    assert (row["position"], row["today"], row["last fill"]) == ("?", "?", "?")
    assert (facts(away)["database"], facts(away)["drift"]) == ("does not answer", "?")


def test_platform_with_pools_doubts_and_drift() -> None:
    told = facts(
        status_page(
            platform(
                is_pooled=True,
                pools=PoolStanding(clients_active=12, clients_waiting=3, servers=20, waiting_s=2.4),
                standings={
                    CANARY: AccountStanding(account=CANARY, unproven=((NOW, NOW),), drift_blocking=2, drift_accepted=1)
                },
            )
        )
    )
    assert told["PgBouncer"] == "12 served, 3 waiting for 2 s, 20 connections"
    assert told["coverage canary"] == "proven until 11-21 10:44, 1 unproven"
    assert told["drift"] == "2 open, 1 accepted"
    silent = facts(status_page(platform(is_pooled=True)))
    assert silent["PgBouncer"] == "does not tell its pools"


def test_headline_counts_bots_by_how_they_stand() -> None:
    assert headline(platform(bot(), bot(standing=Standing.PAUSED))) == "All well, paper: 1 running, 1 paused"
    assert headline(platform(bot(), bot(), bot(standing=Standing.KILLED))) == "A kill holds, paper: 2 running, 1 killed"


def test_one_bot_in_detail() -> None:
    answer = bot_status_page(platform(), bot())
    told = facts(answer)
    assert told["up"] == "3 h 12 min"
    assert told["heartbeat"] == "0.4 s ago"
    assert told["position"] == "-0.01 at 60,000.50"
    assert (told["mark"], told["unrealized"]) == ("60,100.00", "-1.00 USDT")
    assert (told["stop"], told["liquidation"]) == ("61,000.00", "-")
    assert told["all time"] == "+11.00 USDT net"
    assert told["of which"] == "+12.50 price, -2.25 fees, +0.75 funding"
    assert told["max entries per hour"] == "3 of 20"
    assert told["max bot notional"] == "1,250.50 of 30,000.00 USDT"
    assert told["daily loss"] == "not known of 5.00 %, reached"


def test_a_position_without_a_stop_says_so() -> None:
    told = facts(bot_status_page(platform(), bot(positions=[short(stop_loss=None, drifted=True)])))
    assert (told["stop"], told["drift"]) == ("none", "ledger and exchange disagree")


def test_a_position_that_only_the_ledger_knows_says_so() -> None:
    told = facts(bot_status_page(platform(), bot(positions=[short(updated_at=EPOCH)])))
    assert told["as of"] == "the ledger; the exchange has not confirmed it yet"


def test_a_market_clock_of_its_own_is_told() -> None:
    (note,) = [block.text for block in status_page(platform(market_at=NOW - timedelta(days=300))).blocks
               if isinstance(block, Text) and block.tone is Tone.NOTE]  # fmt: skip
    assert note == "2026-11-21 10:45:30 UTC; the market's clock says 2026-01-25 10:45"


def test_health_tells_of_every_service() -> None:
    degraded = {"listener": [], "feed": [{"part": "stream", "cause": "exchange_away"}]}
    blocks = health_page(platform(degraded=degraded)).blocks
    assert Facts((("feed", "stream: exchange_away"), ("listener", "well")), "Services") in blocks
    assert Facts((("feed", "pid 7"), ("listener", "down")), "Processes") in blocks


def test_positions() -> None:
    (row,) = rows(positions_page(platform()))
    assert row["position"] == "BTCUSDT -0.01"
    assert (row["unrealized"], row["stop"], row[""]) == ("-1.00 USDT", "61,000.00", "")
    doubtful = positions_page(platform(bot(stale=True, positions=[short(drifted=True, updated_at=NOW - timedelta(1))])))
    assert rows(doubtful)[0][""] == "drift, not fresh"
    assert not doubtful.ok
    assert not positions_page(platform(live_known=False)).ok


def order(**changes: object) -> Order:
    given: dict[str, object] = {
        "account": CANARY,
        "category": "linear",
        "symbol": "BTCUSDT",
        "order_id": "1",
        "order_link_id": "cn1-en-x",
        "side": Side.BUY,
        "order_type": OrderType.LIMIT,
        "time_in_force": "GTC",
        "status": OrderStatus.NEW,
        "quantity": Decimal("0.010"),
        "filled_quantity": Decimal("0.004"),
        "reduce_only": False,
        "position_idx": 0,
        "create_type": "CreateByUser",
        "stop_order_type": "",
        "reject_reason": "",
        "cancel_type": "",
        "created_at": NOW - timedelta(minutes=4),
        "updated_at": NOW,
        "price": Decimal(59_000),
        "average_price": None,
        "trigger_price": None,
        "take_profit": None,
        "stop_loss": None,
    }
    return Order(**cast(dict[str, object], given | changes))  # type: ignore[arg-type]


def test_orders_say_at_which_price_or_on_which_trigger() -> None:
    resting = order()
    stop = order(order_type=OrderType.MARKET, price=None, trigger_price=Decimal(61_000), reduce_only=True,
                 stop_order_type="StopLoss", status=OrderStatus.UNTRIGGERED)  # fmt: skip
    market = order(order_type=OrderType.MARKET, price=None)
    found = rows(orders_page(platform(bot(orders=(resting, stop, market)))))
    assert [row["price"] for row in found] == ["at 59,000.00", "if 61,000.00", "at market"]
    assert [row["kind"] for row in found] == ["Limit", "StopLoss, reduce only", "Market"]
    assert (found[0]["order"], found[0]["filled"], found[0]["age"]) == ("Buy 0.01 BTCUSDT", "0.004", "4 min 0 s")


def test_fills_and_funding_read_differently() -> None:
    funding = replace(fill(), exec_type="Funding", fee=Decimal("-0.0123"), bot=None)
    first, second = rows(fills_page([fill(), funding], None))
    assert (first["fill"], first["fee"], first["reason"]) == ("Sell 0.01 BTCUSDT", "0.3300 USDT", "entry, taker")
    assert (second["bot"], second["fill"]) == ("unattributed", "funding on 0.01 BTCUSDT")
    assert second["fee"] == "-0.0123 USDT"


def test_trades() -> None:
    trade = TradeLine(
        bot=FIRST,
        symbol=fill().symbol,
        direction="short",
        opened_at=NOW - timedelta(hours=1),
        closed_at=NOW,
        duration=timedelta(hours=1),
        quantity=Decimal("0.01"),
        entry_price=Decimal("60000.5"),
        exit_price=Decimal(59_000),
        gross_pnl=Decimal("10.005"),
        fees=Decimal("0.65"),
        funding=Decimal(0),
        net_pnl=Decimal("9.355"),
        return_on_notional=Decimal("0.0156"),
        entry_reason="entry",
        exit_reason="take_profit",
    )
    (row,) = rows(trades_page([trade], FIRST))
    assert (row["trade"], row["from"], row["to"]) == ("short 0.01 BTCUSDT", "60,000.50", "59,000.00")
    assert (row["net"], row["return"], row["held"], row["exit"]) == (
        "+9.36 USDT",
        "+1.56 %",
        "1 h 0 min",
        "take_profit",
    )
    assert trades_page([], None).blocks[0] == Text("No trades of all bots yet.", Tone.HEADING)


def test_daily_results_fit_a_phone_on_one_line_each() -> None:
    days = [(date(2026, 11, 21), figures(result=Decimal("-1234.56"), trades=117)), (date(2026, 11, 20), figures())]
    answer = daily_page(days, FIRST)
    assert rows(answer)[1] == {"day": "11-20", "net": "+25.75", "fees": "-4.50", "funding": "+0.25", "trades": "17",
                               "won": "59 %", "volume": "12,345"}  # fmt: skip
    (page,) = pages(answer)
    table = page.split("<pre>")[1].split("</pre>")[0].splitlines()
    assert len(table) == 3
    assert max(map(len, table)) <= PHONE_WIDTH


def test_a_day_is_told_by_bot() -> None:
    answer = day_page(date(2026, 11, 20), figures(), {FIRST: figures()})
    assert answer.blocks[0] == Text("Summary of 2026-11-20 (UTC): +25.75 USDT net, 17 trades", Tone.HEADING)
    (row,) = rows(answer)
    assert (row["bot"], row["net"]) == ("canary_001", "+25.75")
    nothing = day_page(date(2026, 11, 20), figures(), {})
    assert nothing.blocks == (Text("Summary of 2026-11-20 (UTC): no fill and no closed trade", Tone.HEADING),)


def test_analytics() -> None:
    curve = Curve(
        steps=(Step(NOW, Decimal("25.75"), Decimal(0)),), every=timedelta(hours=1), worst_drawdown=Decimal("-7.1")
    )
    reason = ReasonFigures(reason="stop_loss", trades=7, wins=0, win_percent=Decimal(0), net_pnl=Decimal(-20),
                           average_net_pnl=Decimal("-2.857"), average_duration=timedelta(minutes=90))  # fmt: skip
    answer = analytics_page(
        Window(date(2026, 11, 15), date(2026, 11, 21)),
        None,
        figures(),
        curve,
        bots={FIRST: figures()},
        symbols={"BTCUSDT": figures(profit_factor=None, win_percent=None)},
        reasons=[reason],
        chart=b"png",
    )
    told = facts(answer)
    assert (told["net"], told["price P&L"], told["fees"]) == ("+25.75 USDT", "+30.00 USDT", "-4.50 USDT")
    assert (told["funding"], told["win rate"], told["profit factor"]) == ("+0.25 USDT", "58.8 %", "1.92")
    assert told["worst drawdown"] == "-7.10 USDT, in steps of an hour"
    by_bot, by_symbol, by_reason = rows(answer)
    assert (by_bot["bot"], by_bot["net"]) == ("canary_001", "+25.75")
    assert (by_symbol["symbol"], by_symbol["won"], by_symbol["factor"]) == ("BTCUSDT", "-", "-")
    assert by_reason == {"exit": "stop_loss", "net": "-20.00", "trades": "7", "won": "0 %", "average": "-2.86",
                         "held": "1 h 30 min"}  # fmt: skip
    assert answer.blocks[-1] == Picture(b"png", "analytics-all-7.png", "All bots, 7 days: +25.75 USDT net, 17 trades")
    assert [button.command for button in answer.buttons[0]] == [
        "/analytics all 30", "/analytics all 90", "/analytics all 365",
    ]  # fmt: skip


def test_balance_says_which_accounts_are_silent() -> None:
    wallet = LiveWallet(account=CANARY, equity=Decimal("10000.5"), balance=Decimal(10_000), available=Decimal(9_000),
                        updated_at=NOW - timedelta(seconds=70))  # fmt: skip
    known, silent = rows(balance_page({CANARY: wallet, AccountName("other"): None}, NOW))
    assert (known["equity"], known["as of"]) == ("10,000.50 USDT", "1 min 10 s ago")
    assert silent["equity"] == "?"
    assert balance_page({CANARY: wallet}, NOW).ok
    assert not balance_page({}, NOW).ok


def proof(*, proven: bool) -> ProofRow:
    zeros = [Decimal(0)] * 6
    return ProofRow(
        account=CANARY,
        day=date(2026, 11, 20),
        since=NOW,
        until=NOW,
        proven=proven,
        checks=[{"name": "fees", "ok": proven, "text": "3 of 4 fees agree"}],
        findings=[] if proven else [{"check": "fees", "subject": "exec 17", "text": "0.33 here, 0.34 there"}],
        entries=[EntryRow(coin="USDT", exchange=[*zeros, Decimal("10.01")], ledger=[*zeros, Decimal(10)],
                          explanation="")],
        judged_by="nightly",
    )  # fmt: skip


def test_a_failed_proof_names_the_row() -> None:
    answer = proof_page(platform(), [proof(proven=False)])
    (row,) = rows(answer)
    assert (row["verdict"], row["residual"]) == ("NOT PROVEN", "0.01 USDT")
    assert warnings(answer) == ["2026-11-20 canary: fees: 3 of 4 fees agree"]
    assert "exec 17: 0.33 here, 0.34 there" in text(answer)
    assert not answer.ok


def test_a_proven_day_and_none_at_all() -> None:
    assert rows(proof_page(platform(), [proof(proven=True)]))[0]["verdict"] == "proven"
    nothing = proof_page(platform(), [])
    assert "No day has been judged yet" in text(nothing)
    assert facts(nothing)["coverage canary"] == "proven until 11-21 10:44"


@pytest.mark.parametrize(
    ("accepted", "blocks", "said", "ok"),
    [(None, True, "blocks entries", False), (None, False, "blocks nothing", True), ("known", True, "accepted", True)],
)
def test_drift(accepted: str | None, blocks: bool, said: str, ok: bool) -> None:
    finding = Finding(kind=DriftKind.POSITION, account=CANARY, subject="BTCUSDT", detail={"fold": "1", "exchange": "2"},
                      blocks_entries=blocks)  # fmt: skip
    answer = drift_page([OpenDrift(number=17, finding=finding, found_at=NOW, last_seen_at=NOW, times=3,
                                   accepted=accepted)])  # fmt: skip
    (row,) = rows(answer)
    assert (row["no."], row["what"], row["who"]) == ("17", "position BTCUSDT", "account canary")
    assert (row["seen"], row["entries"], answer.ok) == ("3 times", said, ok)
    assert "17: fold 1, exchange 2" in text(answer)


def test_alerts() -> None:
    alert = Alert(
        kind="drift", text="they disagree", severity=Severity.ERROR, service="listener", at=NOW, account=CANARY
    )
    answer = alerts_page([(9, alert)], None)
    assert "/alerts BOT" in text(answer)
    assert "/alerts BOT" not in text(alerts_page([(9, alert)], FIRST))
    (row,) = rows(answer)
    assert row == {"no.": "9", "time": "11-21 10:45", "severity": "error", "who": "canary", "text": "they disagree"}


def test_no_page_is_wider_than_a_phone() -> None:
    status = platform(*(bot() for _ in range(20)))
    for answer in (status_page(status), positions_page(status), fills_page([fill()], None)):
        for page in pages(answer):
            for pre in page.split("<pre>")[1:]:
                assert max(map(len, pre.split("</pre>")[0].splitlines())) <= PHONE_WIDTH
