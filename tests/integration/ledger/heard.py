"""Fills as the listener hands them to the recorder, told by what matters in the case at hand."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from alpha.domain.fill import Attribution, AttributionMethod, Fill
from alpha.domain.ids import AccountName, BotId
from alpha.domain.reason import Reason
from alpha.domain.trade import BookKey
from alpha.ledger.fills import FillSource, HeardFill
from tests.unit.domain.fills import BTCUSDT

MAIN = AccountName("main")
BOT = BotId("bot_001")
BOOK = BookKey(bot=BOT, account=MAIN, symbol=BTCUSDT)
RECEIVED = datetime(2026, 11, 21, 12, tzinfo=UTC)


def heard(
    fill: Fill,
    bot: BotId | None = BOT,
    *,
    account: AccountName = MAIN,
    reason: Reason = Reason.ENTRY,
    source: FillSource = FillSource.STREAM,
) -> HeardFill:
    method = AttributionMethod.NONE if bot is None else AttributionMethod.TAG
    return HeardFill(
        fill=fill if fill.account == account else replace(fill, account=account),
        attribution=Attribution(bot=bot, reason=reason, method=method),
        source=source,
        received_at=RECEIVED,
        frame_at=RECEIVED if source is FillSource.STREAM else None,
    )
