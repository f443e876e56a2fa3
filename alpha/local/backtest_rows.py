"""A backtest's fills and trades as rows of the ledger."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from alpha.bot.fill import BotFill
from alpha.domain.fill import Attribution, AttributionMethod, Fill
from alpha.domain.ids import BotId, Symbol
from alpha.domain.order_link_id import OrderLinkId
from alpha.domain.reason import Reason
from alpha.domain.trade import BookKey
from alpha.domain.trade_book import TradeBook
from alpha.ledger.book_rows import FLAT_POINT_COLUMNS, KEY, TRADE_COLUMNS, row_of_closed
from alpha.ledger.fill_rows import RECORDED_COLUMNS, FillSource, HeardFill, RecordedFill, row_of_recorded
from alpha.ledger.folding import fold_on
from backtest.export import write_csv, write_parquet
from backtest.outcome import Outcome

FILL_TABLE_COLUMNS = (*RECORDED_COLUMNS, "epoch")
"""Those of trading.fills, in its order. No holder of an account wrote a backtest's export, so the epoch is empty."""
_NET = "net_pnl"
_AFTER_FUNDING = len(KEY) + TRADE_COLUMNS.index("funding") + 1
_WRITTEN = (*KEY, *TRADE_COLUMNS, *FLAT_POINT_COLUMNS)
TRADE_TABLE_COLUMNS = (*_WRITTEN[:_AFTER_FUNDING], _NET, *_WRITTEN[_AFTER_FUNDING:])
"""Those of trading.trades, in its order; the net P&L is one that the database computes."""


def export_outcome(outcome: Outcome, folder: Path) -> list[Path]:
    """Writes fills and trades as CSV and as Parquet; answers the files."""
    folder.mkdir(parents=True, exist_ok=True)
    tables = {
        "fills": (FILL_TABLE_COLUMNS, fill_rows(outcome)),
        "trades": (TRADE_TABLE_COLUMNS, trade_rows(outcome)),
    }
    written = []
    for name, (columns, rows) in tables.items():
        for suffix, write in (("csv", write_csv), ("parquet", write_parquet)):
            path = folder / f"{name}.{suffix}"
            write(path, columns, rows)
            written.append(path)
    return written


def fill_rows(outcome: Outcome) -> list[dict[str, object]]:
    """By the names of the ledger's columns. Nobody received or recorded these, so both times are those of the fill."""
    return [{**row_of_recorded(_recorded(each, outcome.plan.bot)), "epoch": None} for each in outcome.fills]


def trade_rows(outcome: Outcome) -> list[dict[str, object]]:
    by_symbol: defaultdict[Symbol, list[tuple[Fill, Reason]]] = defaultdict(list)
    for each in outcome.fills:
        by_symbol[each.symbol].append((each.fill, each.reason))
    rows = []
    for symbol, fills in by_symbol.items():
        key = BookKey(bot=outcome.plan.bot, account=outcome.plan.account, symbol=symbol)
        _, closed = fold_on(TradeBook(key=key), fills)
        for one in closed:
            rows.append(dict(zip(_WRITTEN, row_of_closed(one), strict=True)) | {_NET: one.trade.net_pnl})
    return sorted(rows, key=lambda row: (str(row["closed_at"]), str(row["symbol"])))


def heard_fills(fills: Sequence[BotFill], bot: BotId, at: datetime) -> list[HeardFill]:
    """On their way into the ledger at the wall clock time given."""
    return [
        HeardFill(
            fill=each.fill,
            attribution=_attribution(each, bot),
            source=FillSource.REPLAY,
            received_at=at,
            position_idx=0,
        )
        for each in fills
    ]


def _recorded(each: BotFill, bot: BotId) -> RecordedFill:
    return RecordedFill(
        fill=each.fill,
        attribution=_attribution(each, bot),
        position_idx=0,
        bot_seq=each.seq,
        source=FillSource.REPLAY,
        frame_at=None,
        received_at=each.at,
        recorded_at=each.at,
    )


def _attribution(each: BotFill, bot: BotId) -> Attribution:
    """As the listener does: by the bot's own tag, else because the account is the bot's alone."""
    tagged = OrderLinkId.parse(each.fill.order_link_id) is not None
    method = AttributionMethod.TAG if tagged else AttributionMethod.SOLE_OWNER
    return Attribution(bot=bot, reason=each.reason, method=method)
