"""Recorded fills without a ledger, for tests of the live state alone."""

from __future__ import annotations

from datetime import timedelta

from alpha.domain.fill import Attribution, AttributionMethod
from alpha.domain.ids import BotId
from alpha.domain.reason import Reason
from alpha.domain.side import Side
from alpha.ledger.fill_rows import FillSource, RecordedFill
from tests.unit.domain.fills import START, a_fill
from tests.unit.listener.accounts import ONE


def recorded(bot_seq: int, bot: BotId = ONE) -> RecordedFill:
    """The fill with this number in its bot's ledger."""
    at = START + timedelta(seconds=bot_seq, microseconds=123456)
    return RecordedFill(
        fill=a_fill(Side.BUY, "0.001", at="100000.10", n=bot_seq, fee="-0.000000012"),
        attribution=Attribution(bot=bot, reason=Reason.ENTRY, method=AttributionMethod.TAG),
        position_idx=0,
        bot_seq=bot_seq,
        source=FillSource.STREAM,
        frame_at=at,
        received_at=at,
        recorded_at=at,
    )
