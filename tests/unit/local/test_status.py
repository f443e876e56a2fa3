from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

from alpha.bot.result import LimitStanding
from alpha.domain.ids import AccountName, BotId, Symbol
from alpha.domain.position import Position
from alpha.live.health import FeedHealth, ListenerHealth
from alpha.live.positions import LivePosition
from alpha.local.status import plain_lines, to_json
from telegram_manager.seeing.facts import BotStatus, Status
from telegram_manager.seeing.problems import problems_of

NOW = datetime.now(UTC)
CANARY = AccountName("canary")


def listener(state: str = "live", *, drifted: bool = False) -> ListenerHealth:
    return ListenerHealth(
        account=CANARY,
        state=state,
        since=NOW,
        epoch=1,
        last_frame_at=NOW,
        proven_until=NOW,
        backlog=0,
        drifted=drifted,
        updated_at=NOW,
    )


def feed(state: str = "live") -> FeedHealth:
    return FeedHealth(state=state, last_frame_at=NOW, last_bar_at=NOW, updated_at=NOW)


def bot(state: str = "running", *, wanted: bool = True, entries_allowed: bool = True, stale: bool = False) -> BotStatus:
    live = LivePosition(
        bot=BotId("canary_001"),
        symbol=Symbol("BTCUSDT"),
        position=Position(Decimal("-0.010"), Decimal("60000.5")),
        stop_loss=Decimal("61000"),
        changed_at=NOW,
        updated_at=NOW,
    )
    return BotStatus(
        id=BotId("canary_001"),
        account=CANARY,
        state=state,
        wanted=wanted,
        entries_allowed=entries_allowed,
        positions=[live],
        stale=stale,
        fills=3,
        trades=1,
        realized_pnl=Decimal("1.25"),
        fees=Decimal("0.20"),
        funding=Decimal("0"),
        net_pnl=Decimal("1.05"),
        last_fill=None,
    )


def status(*problems: str) -> Status:
    return Status(
        at=NOW,
        mode="paper",
        pids={"feed": 7},
        accounts={CANARY: listener()},
        feed=feed(),
        bots=[bot()],
        problems=problems,
    )


def test_money_in_json_is_text() -> None:
    shown = json.loads(json.dumps(to_json(status())))
    assert shown["ok"] is True
    told = shown["bots"]["canary_001"]
    assert (told["realized_pnl"], told["fees"], told["net_pnl"]) == ("1.25", "0.20", "1.05")
    assert told["positions"] == [
        {
            "symbol": "BTCUSDT",
            "quantity": "-0.010",
            "entry_price": "60000.5",
            "unrealized_pnl": None,
            "stop_loss": "61000",
        }
    ]


def test_plain_lines_can_be_searched() -> None:
    lines = plain_lines(status("bot x gives no sign of life"))
    assert lines[:2] == ["mode paper, 1 problems", "problem: bot x gives no sign of life"]
    assert lines[-1].startswith("bot canary_001 running, -0.010 BTCUSDT at 60000.50 stop 61000, 3 fills")


def test_all_well_is_no_problem_and_a_stopped_bot_is_none_either() -> None:
    assert not problems_of({CANARY: listener()}, feed(), [bot()], {"feed": 7, "canary_001": 8}, NOW)
    assert not problems_of({CANARY: listener()}, feed(), [bot("silent", wanted=False)], {"canary_001": None}, NOW)


def test_a_halt_waits_for_a_person_and_other_limits_do_not() -> None:
    def used(name: str, *, reached: bool) -> BotStatus:
        standing = LimitStanding(name=name, value=Decimal("5.5"), bound=Decimal(5), reached=reached)
        return replace(bot(), limits=[standing])

    assert problems_of({}, feed(), [used("drawdown_halt_percent", reached=True)], {}, NOW) == [
        "bot canary_001 is halted by its drawdown: alpha resume canary_001 --why ... lets it go on"
    ]
    assert problems_of({}, feed(), [used("drawdown_halt_percent", reached=False)], {}, NOW) == []
    assert problems_of({}, feed(), [used("daily_loss_percent", reached=True)], {}, NOW) == []
    shown = replace(status(), bots=[used("daily_loss_percent", reached=True)])
    assert "(daily_loss_percent reached)" in plain_lines(shown)[-1]
    assert to_json(shown)["bots"]["canary_001"]["limits"] == [
        {"name": "daily_loss_percent", "value": "5.5", "bound": "5", "reached": True}
    ]


def test_what_is_not_well_is_named() -> None:
    found = problems_of({CANARY: None}, feed("stale"), [bot("silent", stale=True)], {"feed": None}, NOW)
    assert found == [
        "account canary is not heard: no listener",
        "no market data: stale",
        "bot canary_001 gives no sign of life",
        "bot canary_001: its live positions are not fresh, so it opens none",
        "process feed is down",
    ]
    assert problems_of({CANARY: listener(drifted=True)}, feed(), [], {}, NOW) == [
        "account canary: ledger and exchange disagree; see `alpha drift`"
    ]
