"""Fills to measure with: one bot that buys and sells in turn, so that every second fill closes a round trip."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import NAMESPACE_OID, uuid5

from alpha.domain.fill import Attribution, AttributionMethod, ExecType, Fill
from alpha.domain.ids import AccountName, BotId, ExecId, OrderId, Symbol
from alpha.domain.reason import Reason
from alpha.domain.side import Side
from alpha.ledger.fills import FillSource, HeardFill, RecordedFill

ACCOUNT, BOT = AccountName("bench"), BotId("bench_001")
_START = datetime(2026, 1, 5, tzinfo=UTC)


def heard_fills(first: int, count: int) -> Iterator[HeardFill]:
    """Fills number `first` to `first + count - 1`, in execution order."""
    for n in range(first, first + count):
        at = _START + timedelta(milliseconds=n)
        fill = Fill(
            account=ACCOUNT,
            category="linear",
            symbol=Symbol("BTCUSDT"),
            exec_id=ExecId(str(uuid5(NAMESPACE_OID, f"bench-{n}"))),
            exec_time=at,
            seq=n,
            exec_type=ExecType.TRADE,
            side=Side.BUY if n % 2 == 0 else Side.SELL,
            price=Decimal(100_000 + n % 100) / 10,
            quantity=Decimal("0.003"),
            notional=Decimal("30.0003"),
            fee=Decimal("0.01650017"),
            fee_rate=Decimal("0.00055"),
            fee_currency="USDT",
            is_maker=False,
            closed_quantity=Decimal(0),
            leaves_quantity=Decimal(0),
            order_id=OrderId(str(uuid5(NAMESPACE_OID, f"order-{n}"))),
            order_link_id="",
            order_type="Market",
            create_type="CreateByUser",
            stop_order_type="",
        )
        yield HeardFill(
            fill=fill,
            attribution=Attribution(bot=BOT, reason=Reason.ENTRY, method=AttributionMethod.SOLE_OWNER),
            source=FillSource.STREAM,
            received_at=at,
        )


def recorded_fill(heard: HeardFill, bot_seq: int) -> RecordedFill:
    """The fill as if it had been recorded under that number."""
    return RecordedFill(
        fill=heard.fill,
        attribution=heard.attribution,
        position_idx=heard.position_idx,
        bot_seq=bot_seq,
        source=heard.source,
        frame_at=heard.frame_at,
        received_at=heard.received_at,
        recorded_at=heard.received_at,
    )
