from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

import pytest

from alpha.domain.fill import Attribution, AttributionMethod, ExecType
from alpha.domain.ids import AccountName, BotId, Symbol
from alpha.domain.reason import Reason
from alpha.domain.side import Side
from alpha.ledger.alerts import Alert, Severity
from alpha.ledger.closed_trades import ClosedTrade
from alpha.ledger.fill_rows import FillSource, RecordedFill
from telegram_manager.notifier.daily import last_due
from telegram_manager.notifier.news import alert_news, fill_news, trade_news
from tests.unit.domain.fills import a_fill

NOW = datetime(2026, 11, 21, 3, tzinfo=UTC)


def fold_of(text: str, *, kind: str = "k", bot: str | None = None, severity: Severity = Severity.WARNING) -> str | None:
    alert = Alert(
        kind=kind,
        text=text,
        severity=severity,
        service="listener",
        at=NOW,
        account=AccountName("canary"),
        bot=None if bot is None else BotId(bot),
    )
    return alert_news(alert).fold


@pytest.mark.parametrize(
    ("text", "other"),
    [
        ("lost 3 frames in 1.5 s", "lost 12 frames in 0.25 s"),
        ("since 10:30:15, -1,204.50 USDT", "since 10:31:00, +7 USDT"),
    ],
)
def test_alerts_that_differ_in_figures_only_are_the_same(text: str, other: str) -> None:
    assert fold_of(text) == fold_of(other)


def test_names_kinds_and_owners_tell_alerts_apart() -> None:
    first = fold_of("canary_001 died with code 1")
    assert fold_of("canary_002 died with code 1") != first
    assert fold_of("canary_001 died with code 1", kind="other") != first
    assert fold_of("canary_001 died with code 1", bot="canary_001") != first
    assert fold_of("canary_001 died with code 1", severity=Severity.CRITICAL) != first


def test_a_report_is_like_no_other() -> None:
    assert fold_of("flat", kind="report") is None


@pytest.mark.parametrize(
    ("now", "due"),
    [
        (datetime(2026, 11, 21, 0, 4, tzinfo=UTC), date(2026, 11, 19)),
        (datetime(2026, 11, 21, 0, 5, tzinfo=UTC), date(2026, 11, 20)),
        (datetime(2026, 11, 21, 23, 59, tzinfo=UTC), date(2026, 11, 20)),
    ],
)
def test_the_summary_is_of_the_day_that_has_ended(now: datetime, due: date) -> None:
    assert last_due(now, time(0, 5)) == due


def told_of(fee: str, currency: str, exec_type: ExecType = ExecType.TRADE) -> str:
    recorded = RecordedFill(
        fill=replace(a_fill(Side.BUY, "2", at="100", fee=fee, exec_type=exec_type), fee_currency=currency),
        attribution=Attribution(bot=BotId("canary_001"), reason=Reason.ENTRY, method=AttributionMethod.TAG),
        position_idx=0,
        bot_seq=1,
        source=FillSource.STREAM,
        frame_at=NOW,
        received_at=NOW,
        recorded_at=NOW,
    )
    (news,) = fill_news([recorded])
    return news.text


def test_a_fee_is_not_rounded_to_nothing_in_any_coin() -> None:
    assert told_of("0.00000012", "BTC").endswith("fee 0.00000012 BTC")
    assert told_of("0.04866065", "USDT").endswith("fee 0.0487 USDT")
    assert told_of("-0.00003", "USDT", ExecType.FUNDING) == "funding +0.00003 USDT on BTCUSDT"


def test_what_a_small_trade_made_adds_up_as_it_is_read() -> None:
    trade = ClosedTrade(
        account=AccountName("canary"),
        bot=BotId("canary_001"),
        symbol=Symbol("BTCUSDT"),
        direction="short",
        quantity=Decimal("0.001"),
        entry_price=Decimal("88473.90"),
        exit_price=Decimal("88688.00"),
        gross_pnl=Decimal("-0.2141"),
        fees=Decimal("0.0974"),
        funding=Decimal("0.0061"),
        net_pnl=Decimal("-0.3054"),
        exit_reason="time_exit",
        opened_at=NOW - timedelta(minutes=15),
        closed_at=NOW,
        recorded_at=NOW,
    )
    (news,) = trade_news([trade])
    assert "net -0.3054 USDT (price -0.2141, fees -0.0974, funding +0.0061)" in news.text
