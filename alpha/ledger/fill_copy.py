"""Recorded fills as lines of COPY.

The hottest path of the ledger, so a line is made in one expression: first the columns whose text comes from outside,
which are looked through together for what COPY would take for its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice

from alpha.domain.ids import AccountName
from alpha.ledger.connection import Cursor
from alpha.ledger.copying import NULL, copy_lines, escaped, time_texts, told_apart
from alpha.ledger.fill_rows import RecordedFill

_FOREIGN_COLUMNS = (
    "bot",
    "account",
    "category",
    "symbol",
    "exec_id",
    "fee_currency",
    "order_id",
    "order_link_id",
    "order_type",
    "create_type",
    "stop_order_type",
)
_OWN_COLUMNS = (
    "exec_time",
    "seq",
    "exec_type",
    "side",
    "price",
    "quantity",
    "notional",
    "fee",
    "fee_rate",
    "is_maker",
    "closed_quantity",
    "leaves_quantity",
    "mark_price",
    "reason",
    "attribution",
    "position_idx",
    "bot_seq",
    "source",
    "frame_at",
    "received_at",
    "recorded_at",
    "epoch",
)
COLUMNS = _FOREIGN_COLUMNS + _OWN_COLUMNS


def copy_fills(
    cursor: Cursor,
    recorded: Sequence[RecordedFill],
    epochs: Mapping[AccountName, int],
    meanwhile: Sequence[Callable[[], None]] = (),
) -> None:
    """Inserts the fills of one batch, which have one `recorded_at`, each under the epoch of its account. `meanwhile` is
    work in pieces for this thread, without the connection, while the server inserts; what one raises is raised."""
    exec_times = time_texts([each.fill.exec_time for each in recorded])
    received = time_texts([each.received_at for each in recorded])
    frames = time_texts([each.frame_at or each.received_at for each in recorded])
    recorded_at = time_texts([recorded[0].recorded_at])[0]
    ends = {account: f"{recorded_at}\t{epoch}\n" for account, epoch in epochs.items()}
    lines = map(_line, recorded, exec_times, frames, received, [ends[each.fill.account] for each in recorded])

    def with_work_between() -> Iterator[Iterable[str]]:
        # A line is made several times as fast as it is inserted: what is on its way by then keeps the server busy.
        for work in meanwhile:
            yield islice(lines, len(recorded) // (len(meanwhile) + 1))
            work()
        yield lines

    copy_lines(cursor, "trading.fills", COLUMNS, chain.from_iterable(with_work_between()))


def _line(recorded: RecordedFill, exec_time: str, frame_at: str, received_at: str, end: str) -> str:
    fill, attribution = recorded.fill, recorded.attribution
    bot, mark_price, bot_seq = attribution.bot, fill.mark_price, recorded.bot_seq
    foreign = told_apart(
        (
            fill.account,
            fill.category,
            fill.symbol,
            fill.exec_id,
            fill.fee_currency,
            fill.order_id,
            fill.order_link_id,
            fill.order_type,
            fill.create_type,
            fill.stop_order_type,
        )
    )
    # Joined rather than formatted: of what is text already, and of str(...), nothing is asked that it has to look up.
    return "\t".join(
        (
            NULL if bot is None else escaped(bot),
            foreign,
            exec_time,
            str(fill.seq),
            fill.exec_type._value_,
            fill.side._value_,
            str(fill.price),
            str(fill.quantity),
            str(fill.notional),
            str(fill.fee),
            str(fill.fee_rate),
            "t" if fill.is_maker else "f",
            str(fill.closed_quantity),
            str(fill.leaves_quantity),
            NULL if mark_price is None else str(mark_price),
            attribution.reason._value_,
            attribution.method._value_,
            str(recorded.position_idx),
            NULL if bot_seq is None else str(bot_seq),
            recorded.source._value_,
            NULL if recorded.frame_at is None else frame_at,
            received_at,
            end,
        )
    )
