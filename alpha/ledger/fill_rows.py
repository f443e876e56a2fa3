"""A fill as it is heard and as it stands in the ledger, and the one mapping between it and a row of trading.fills."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum, unique
from typing import Any, Final, final

from alpha.domain.clock import require_aware
from alpha.domain.errors import InvalidValue
from alpha.domain.fill import Attribution, AttributionMethod, ExecType, Fill
from alpha.domain.reason import Reason
from alpha.domain.side import Side
from alpha.domain.trade import BookKey


@unique
class FillSource(StrEnum):
    """How a fill came to us. Its content is the same whichever it was."""

    STREAM = "stream"
    RECOVERY = "recovery"
    REPLAY = "replay"


@final
@dataclass(init=False, unsafe_hash=True, slots=True)
class HeardFill:
    """A fill on its way into the ledger.

    `frame_at` is the stream frame's creationTime, None for REST; `received_at` is when this process had it. Both are
    wall clock. `position_idx` is 0 one-way, 1 and 2 the long and the short side in hedge mode.
    """

    fill: Final[Fill]
    attribution: Final[Attribution]
    source: Final[FillSource]
    received_at: Final[datetime]
    position_idx: Final[int]
    frame_at: Final[datetime | None]

    def __init__(
        self,
        fill: Fill,
        attribution: Attribution,
        source: FillSource,
        received_at: datetime,
        position_idx: int = 0,
        frame_at: datetime | None = None,
    ) -> None:
        self.fill = fill
        self.attribution = attribution
        self.source = source if type(source) is FillSource else FillSource(source)
        self.received_at = received_at
        self.position_idx = position_idx
        self.frame_at = frame_at
        require_aware(received_at)
        if frame_at is not None:
            require_aware(frame_at)
        if position_idx not in (0, 1, 2):
            raise InvalidValue(f"position index {position_idx} must be 0, 1 or 2")

    @property
    def book_key(self) -> BookKey | None:
        """The book it belongs to; None for a fill that nobody owns."""
        if self.attribution.bot is None:
            return None
        return BookKey(
            bot=self.attribution.bot,
            account=self.fill.account,
            symbol=self.fill.symbol,
            position_idx=self.position_idx,
        )


@final
@dataclass(init=False, unsafe_hash=True, slots=True)
class RecordedFill:
    """A fill as the ledger holds it. `bot_seq` counts its bot's fills in commit order without a gap, from 1; it is None
    when nobody owns the fill, and when it was assigned to the bot afterwards: it is in no bot's stream then.
    `recorded_at` is the database's clock."""

    fill: Final[Fill]
    attribution: Final[Attribution]
    position_idx: Final[int]
    bot_seq: Final[int | None]
    source: Final[FillSource]
    frame_at: Final[datetime | None]
    received_at: Final[datetime]
    recorded_at: Final[datetime]

    def __init__(
        self,
        fill: Fill,
        attribution: Attribution,
        position_idx: int,
        bot_seq: int | None,
        source: FillSource,
        frame_at: datetime | None,
        received_at: datetime,
        recorded_at: datetime,
    ) -> None:
        self.fill = fill
        self.attribution = attribution
        self.position_idx = position_idx
        self.bot_seq = bot_seq
        self.source = source
        self.frame_at = frame_at
        self.received_at = received_at
        self.recorded_at = recorded_at

    @property
    def book_key(self) -> BookKey | None:
        """The book it is folded into; None for a fill that nobody owns."""
        if self.attribution.bot is None:
            return None
        return BookKey(
            bot=self.attribution.bot,
            account=self.fill.account,
            symbol=self.fill.symbol,
            position_idx=self.position_idx,
        )


def recorded_at(fill: RecordedFill, at: datetime) -> RecordedFill:
    """The same fill, recorded at this time of the database's clock."""
    return RecordedFill(
        fill.fill,
        fill.attribution,
        fill.position_idx,
        fill.bot_seq,
        fill.source,
        fill.frame_at,
        fill.received_at,
        at,
    )


FILL_COLUMNS = (
    "account",
    "category",
    "symbol",
    "exec_id",
    "exec_time",
    "seq",
    "exec_type",
    "side",
    "price",
    "quantity",
    "notional",
    "fee",
    "fee_rate",
    "fee_currency",
    "is_maker",
    "closed_quantity",
    "leaves_quantity",
    "order_id",
    "order_link_id",
    "order_type",
    "create_type",
    "stop_order_type",
    "mark_price",
)
"""The columns that are the fields of Fill, in the order of `fill_of_row`."""

RECORD_COLUMNS = (
    "bot",
    "reason",
    "attribution",
    "position_idx",
    "bot_seq",
    "source",
    "frame_at",
    "received_at",
    "recorded_at",
)
RECORDED_COLUMNS = FILL_COLUMNS + RECORD_COLUMNS
SELECT_RECORDED = ", ".join(RECORDED_COLUMNS)


def row_of_recorded(recorded: RecordedFill) -> dict[str, object]:
    """Values by the names in RECORDED_COLUMNS."""
    fill, attribution = recorded.fill, recorded.attribution
    return {
        "account": fill.account,
        "category": fill.category,
        "symbol": fill.symbol,
        "exec_id": fill.exec_id,
        "exec_time": fill.exec_time,
        "seq": fill.seq,
        "exec_type": fill.exec_type,
        "side": fill.side,
        "price": fill.price,
        "quantity": fill.quantity,
        "notional": fill.notional,
        "fee": fill.fee,
        "fee_rate": fill.fee_rate,
        "fee_currency": fill.fee_currency,
        "is_maker": fill.is_maker,
        "closed_quantity": fill.closed_quantity,
        "leaves_quantity": fill.leaves_quantity,
        "order_id": fill.order_id,
        "order_link_id": fill.order_link_id,
        "order_type": fill.order_type,
        "create_type": fill.create_type,
        "stop_order_type": fill.stop_order_type,
        "mark_price": fill.mark_price,
        "bot": attribution.bot,
        "reason": attribution.reason,
        "attribution": attribution.method,
        "position_idx": recorded.position_idx,
        "bot_seq": recorded.bot_seq,
        "source": recorded.source,
        "frame_at": recorded.frame_at,
        "received_at": recorded.received_at,
        "recorded_at": recorded.recorded_at,
    }


def fill_of_row(row: tuple[Any, ...]) -> Fill:
    """The fill of a row that begins with FILL_COLUMNS."""
    return Fill(
        account=row[0],
        category=row[1],
        symbol=row[2],
        exec_id=row[3],
        exec_time=row[4],
        seq=row[5],
        exec_type=ExecType(row[6]),
        side=Side(row[7]),
        price=row[8],
        quantity=row[9],
        notional=row[10],
        fee=row[11],
        fee_rate=row[12],
        fee_currency=row[13],
        is_maker=row[14],
        closed_quantity=row[15],
        leaves_quantity=row[16],
        order_id=row[17],
        order_link_id=row[18],
        order_type=row[19],
        create_type=row[20],
        stop_order_type=row[21],
        mark_price=row[22],
    )


def recorded_of_row(row: tuple[Any, ...]) -> RecordedFill:
    """The recorded fill of a row of RECORDED_COLUMNS."""
    bot, reason, method, position_idx, bot_seq, source, frame_at, received_at, recorded_at = row[len(FILL_COLUMNS) :]
    return RecordedFill(
        fill=fill_of_row(row),
        attribution=Attribution(bot=bot, reason=Reason(reason), method=AttributionMethod(method)),
        position_idx=position_idx,
        bot_seq=bot_seq,
        source=FillSource(source),
        frame_at=frame_at,
        received_at=received_at,
        recorded_at=recorded_at,
    )
