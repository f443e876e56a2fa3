from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from alpha.config.registry import load_registry
from alpha.domain.ids import AccountName, BotId, OrderId, Symbol
from alpha.domain.order import Order, OrderStatus, OrderType
from alpha.domain.position import Position
from alpha.domain.side import Side
from alpha.ledger.alerts import Severity
from alpha.ledger.controls import Control, DesiredState, account_scope, bot_scope
from alpha.ledger.foreign_orders import ForeignOrder
from alpha.ledger.sync_status import SyncStatus, SyncTask
from alpha.live.glance import BotGlance, Glance
from alpha.live.health import Heartbeat
from alpha.live.positions import LivePosition
from alpha.live.wallet import LiveWallet
from telegram_manager.notifier.watches import BOT_SILENT_FOR, SYNC_LATE_AFTER, WATCHES, Concern, View, look

NOW = datetime(2026, 11, 21, 3, tzinfo=UTC)
REGISTRY = load_registry(Path(__file__).parents[3] / "bots.yaml")
CANARY, BOT, BTC = AccountName("canary"), BotId("canary_001"), Symbol("BTCUSDT")


def beating(*silent: BotId, age: timedelta = timedelta(0)) -> dict[BotId, BotGlance]:
    """Every bot alive, but for the silent ones."""
    beat = Heartbeat(bot=BOT, state="running", pid=1, run="r", last_bar_at=None, updated_at=NOW - age)
    return {bot: BotGlance(heartbeat=None if bot in silent else replace(beat, bot=bot)) for bot in REGISTRY.bots}


def a_glance(
    bots: dict[BotId, BotGlance] | None = None, wallets: dict[AccountName, LiveWallet] | None = None
) -> Glance:
    return Glance(
        accounts={},
        wallets=wallets or {},
        feed=None,
        bots=beating() if bots is None else bots,
        degraded={},
        memory_bytes=0,
        memory_limit_bytes=0,
    )


def holding(quantity: str, **fields: Decimal) -> Glance:
    held = LivePosition(
        bot=BOT,
        symbol=BTC,
        position=Position(Decimal(quantity), Decimal(100)),
        changed_at=NOW,
        updated_at=NOW,
        **fields,  # type: ignore[arg-type]
    )
    bots = beating()
    return a_glance({**bots, BOT: replace(bots[BOT], positions={(BTC, 0): held})})


def wallet(available: str, equity: str = "1000") -> Glance:
    money = LiveWallet(
        account=CANARY, equity=Decimal(equity), balance=Decimal(equity), available=Decimal(available), updated_at=NOW
    )
    return a_glance(wallets={CANARY: money})


def a_view(**parts: object) -> View:
    return View(at=NOW, registry=REGISTRY, **parts)  # type: ignore[arg-type]


def found(view: View) -> list[tuple[str, str]]:
    return [(concern.kind, concern.subject) for concern in look(view).concerns]


def control(scope: str) -> dict[str, Control]:
    stopped = Control(
        scope=scope, entries_allowed=True, desired_state=DesiredState.STOPPED, by="t", why="t", at=NOW, resumed_at=None
    )
    return {scope: stopped}


def test_a_platform_that_is_well_has_no_findings() -> None:
    view = a_view(
        glance=holding("1", stop_loss=Decimal(95), mark_price=Decimal(100), liq_price=Decimal(50)),
        controls={},
        foreign=[],
        syncs=[],
        keys={CANARY: None},
        disk=(50, 100),
    )
    looked = look(view)
    assert looked.concerns == ()
    assert looked.kinds == set(WATCHES)


def test_what_cannot_be_read_finds_nothing_and_ends_nothing() -> None:
    looked = look(a_view())
    assert (looked.concerns, looked.kinds) == ((), frozenset())


def test_a_bot_that_shall_run_and_is_silent_is_dead() -> None:
    assert found(a_view(glance=a_glance(beating(BOT)), controls={})) == [("bot_dead", BOT)]
    silent = a_glance(beating(age=BOT_SILENT_FOR))
    assert [kind for kind, _ in found(a_view(glance=silent, controls={}))] == ["bot_dead"] * len(REGISTRY.bots)


@pytest.mark.parametrize("scope", [bot_scope(BOT), account_scope(CANARY), "platform"])
def test_a_bot_that_somebody_stopped_is_not_dead(scope: str) -> None:
    assert found(a_view(glance=a_glance(beating(BOT)), controls=control(scope))) == []


@pytest.mark.parametrize(
    ("glance", "kinds"),
    [
        (holding("1"), ["position_without_stop"]),
        (holding("-1"), ["position_without_stop"]),
        (holding("1", stop_loss=Decimal(95)), []),
        (holding("1", trailing_stop=Decimal(5)), []),
        (holding("1", stop_loss=Decimal(1), mark_price=Decimal(100), liq_price=Decimal(91)), ["liquidation_near"]),
        (holding("-1", stop_loss=Decimal(1), mark_price=Decimal(100), liq_price=Decimal(109)), ["liquidation_near"]),
        (holding("1", stop_loss=Decimal(1), mark_price=Decimal(100), liq_price=Decimal(89)), []),
        (wallet("99"), ["margin_low"]),
        (wallet("100"), []),
        (wallet("0", equity="0"), []),
    ],
)
def test_positions_and_margin(glance: Glance, kinds: list[str]) -> None:
    assert [kind for kind, _ in found(a_view(glance=glance))] == kinds


def resting(side: Side, trigger: str, **fields: object) -> Order:
    order = Order(
        account=CANARY,
        category="linear",
        symbol=BTC,
        order_id=OrderId("1"),
        order_link_id="",
        side=side,
        order_type=OrderType.MARKET,
        time_in_force="IOC",
        status=OrderStatus.UNTRIGGERED,
        price=None,
        quantity=Decimal(1),
        filled_quantity=Decimal(0),
        average_price=None,
        reduce_only=True,
        position_idx=0,
        create_type="",
        stop_order_type="",
        trigger_price=Decimal(trigger),
        take_profit=None,
        stop_loss=None,
        reject_reason="",
        cancel_type="",
        created_at=NOW,
        updated_at=NOW,
    )
    return replace(order, **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("quantity", "mark", "order", "guarded"),
    [
        ("1", "110", resting(Side.SELL, "95"), True),
        ("1", "110", resting(Side.SELL, "105"), True),  # moved into the profit
        ("1", None, resting(Side.SELL, "95"), True),
        ("-1", "110", resting(Side.BUY, "120"), True),
        ("1", "110", resting(Side.SELL, "120"), False),  # a take profit
        ("-1", "90", resting(Side.BUY, "80"), False),
        ("1", None, resting(Side.SELL, "120"), False),
        ("1", "110", resting(Side.BUY, "95"), False),
        ("1", "110", resting(Side.SELL, "95", position_idx=2), False),
        ("1", "110", resting(Side.SELL, "95", symbol=Symbol("ETHUSDT")), False),
        ("1", "110", resting(Side.SELL, "95", reduce_only=False), False),
        # A stop limit that was triggered and did not fill.
        ("1", "110", resting(Side.SELL, "95", status=OrderStatus.NEW), False),
    ],
)
def test_an_order_guards_a_position_only_where_it_loses(
    quantity: str, mark: str | None, order: Order, guarded: bool
) -> None:
    glance = holding(quantity) if mark is None else holding(quantity, mark_price=Decimal(mark))
    bots = {**glance.bots, BOT: replace(glance.bots[BOT], orders=(order,))}
    concerns = [kind for kind, _ in found(a_view(glance=a_glance(bots)))]
    assert concerns == ([] if guarded else ["position_without_stop"])


def test_a_flat_position_needs_no_stop() -> None:
    flat = holding("1")
    bot = flat.bots[BOT]
    held = bot.positions[(BTC, 0)]
    assert held is not None
    row = replace(held, position=Position(Decimal(0), Decimal(0)))
    bots = {BOT: replace(bot, positions={(BTC, 0): row, (BTC, 1): None})}
    assert found(a_view(glance=a_glance(bots))) == []


def test_an_order_under_our_tag_that_no_bot_sent_is_critical() -> None:
    order = ForeignOrder(
        account=CANARY,
        bot=BOT,
        symbol=BTC,
        order_id=OrderId("17"),
        order_link_id="cn1-en-aaaaaaaaaaaaaaaaaaaa",
        side="Buy",
        quantity=Decimal("0.010"),
        created_at=NOW,
    )
    (concern,) = look(a_view(foreign=[order])).concerns
    assert (concern.kind, concern.severity, concern.bot) == ("foreign_order", Severity.CRITICAL, BOT)
    assert "Buy 0.01 BTCUSDT" in concern.text


def a_sync(ran_ago: timedelta, *, ok: bool = True, failures: int = 0) -> SyncStatus:
    return SyncStatus(
        account=CANARY,
        task=SyncTask.CLOSED_PNL,
        window=None,
        through=None,
        complete=True,
        ok=ok,
        rows_read=0,
        findings=0,
        failures=failures,
        cause="",
        detail="HTTP 503",
        ran_at=NOW - ran_ago,
        ok_at=None,
    )


def test_the_newest_run_of_a_sync_counts() -> None:
    late, fresh = a_sync(SYNC_LATE_AFTER + timedelta(seconds=1)), a_sync(timedelta(0))
    failed = a_sync(timedelta(minutes=5), ok=False, failures=2)
    task = f"canary {SyncTask.CLOSED_PNL}"
    assert found(a_view(syncs=[late])) == [("sync_overdue", task)]
    assert found(a_view(syncs=[late, failed, fresh])) == []
    assert found(a_view(syncs=[failed, late])) == [("sync_failed", task)]
    assert "failed: HTTP 503" in look(a_view(syncs=[failed])).concerns[0].text


def test_a_failed_sync_is_not_over_while_it_does_not_run() -> None:
    task = f"canary {SyncTask.CLOSED_PNL}"
    assert not look(a_view(syncs=[a_sync(SYNC_LATE_AFTER * 2)])).knows("sync_failed", task)
    assert look(a_view(syncs=[a_sync(timedelta(0))])).knows("sync_failed", task)


# A concern is told once: what has become graver is told only because it is another kind of concern.


def graver(view: View) -> list[tuple[str, Severity]]:
    return [(concern.kind, concern.severity) for concern in look(view).concerns]


def test_a_sync_that_failed_and_does_not_run_any_more_is_graver() -> None:
    def failed(ago: timedelta) -> View:
        return a_view(syncs=[a_sync(ago, ok=False, failures=1)])

    assert graver(failed(timedelta(minutes=5))) == [("sync_failed", Severity.WARNING)]
    assert graver(failed(SYNC_LATE_AFTER * 2)) == [
        ("sync_failed", Severity.WARNING),
        ("sync_overdue", Severity.ERROR),
    ]


def test_a_key_that_ends_soon_is_graver() -> None:
    def key(days: int) -> View:
        return a_view(keys={CANARY: NOW + timedelta(days=days)})

    assert graver(key(15)) == []
    assert graver(key(13)) == [("key_expiring", Severity.WARNING)]
    assert graver(key(2)) == [("key_expiring", Severity.WARNING), ("key_ending", Severity.CRITICAL)]


def test_a_disk_with_hardly_anything_left_is_graver() -> None:
    assert graver(a_view(disk=(10, 100))) == []
    assert graver(a_view(disk=(9, 100))) == [("disk_low", Severity.ERROR)]
    assert graver(a_view(disk=(2, 100))) == [("disk_low", Severity.ERROR), ("disk_nearly_full", Severity.CRITICAL)]


def test_what_passes_by_itself_is_given_time() -> None:
    concerns = look(a_view(glance=a_glance(beating(BOT)), controls={})).concerns
    assert all(isinstance(concern, Concern) and concern.after_s > 0 for concern in concerns)
