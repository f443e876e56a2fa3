"""The listener with one of its guards taken out, then run as it is: `python -m tests.chaos.crippled_listener GUARD`.

For the drill's own tests: a drill that such a listener passes would show nothing.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from alpha.domain.fill import Fill
from alpha.domain.ids import AccountName, ExecId
from alpha.domain.reason import Reason
from alpha.domain.trade import Trade
from alpha.domain.trade_book import BookFold, TradeBook
from alpha.ledger.connection import Cursor


def put_in_place(owner: object, name: str, instead: object) -> Any:
    """Replaces an attribute and answers what was there. Raises AttributeError when nothing was: a guard that has moved
    must not be left in unnoticed."""
    was = getattr(owner, name)
    setattr(owner, name, instead)
    return was


def without_recovery() -> None:
    """What REST tells is read and let go."""
    from websocket_listener.recovery import Recovery

    def forget(self: Recovery, fills: Sequence[Fill]) -> list[ExecId]:  # noqa: ARG001
        return []

    put_in_place(Recovery, "_record", forget)


def without_deduplication() -> None:
    """Every report of an execution is another fill. The database of such a drill has no unique index either."""
    from alpha.ledger import fills
    from websocket_listener.known_fills import KnownFills

    def all_of_them(batch: Sequence[Any]) -> tuple[dict[Any, Any], list[Any]]:
        return dict(enumerate(sorted(batch, key=lambda heard: heard.fill.execution_order))), []

    def lock_only(cursor: Cursor, epochs: Mapping[AccountName, int | None], told: Mapping[Any, Any]) -> Any:
        return lock_and_look(cursor, epochs, {("", "", "", ""): next(iter(told.values()))})

    def lacking(self: KnownFills, reported: Sequence[Fill]) -> list[Fill]:  # noqa: ARG001
        return list(reported)

    def fold_repeats(self: BookFold, fill: Fill, reason: Reason) -> Trade | None:
        if fill.execution_order == self.book().last:
            self._last = None
        done: Trade | None = fold(self, fill, reason)
        return done

    def is_late(self: TradeBook, fill: Fill) -> bool:
        return self.last is not None and fill.execution_order < self.last

    put_in_place(fills, "distinct", all_of_them)
    lock_and_look = put_in_place(fills, "lock_and_look", lock_only)
    put_in_place(KnownFills, "lacking", lacking)
    fold = put_in_place(BookFold, "take", fold_repeats)
    put_in_place(TradeBook, "is_late", is_late)


def without_fencing() -> None:
    """Nobody asks for the epoch before writing, and who lost an account goes on."""
    from alpha.ledger import heads

    def unchecked(rows: Sequence[Any], epochs: object) -> Any:  # noqa: ARG001
        return locked_heads(rows, {row[0]: row[1] for row in rows})

    def renewed(*arguments: Any) -> frozenset[AccountName]:
        renew_leases(*arguments)
        return frozenset()

    # Before anything imports them by their names.
    locked_heads = put_in_place(heads, "locked_heads", unchecked)
    renew_leases = put_in_place(heads, "renew_leases", renewed)

    from websocket_listener.main import Listener

    def ignored(*_: object) -> None:
        return None

    put_in_place(Listener, "_fenced", ignored)


def without_overlap() -> None:
    """Recovery begins at the newest fill that is stored, whatever is proven."""
    from alpha.ledger.heads import account_heads
    from websocket_listener.recovery import Recovery

    def from_newest(self: Recovery, said: Sequence[Any], until: datetime) -> list[tuple[datetime, datetime]]:
        newest = self._ledger(account_heads)[self._account].last_exec_time
        return [(max(start, newest or start), max(end, newest or end)) for start, end in stretches(self, said, until)]

    stretches = put_in_place(Recovery, "_stretches", from_newest)


GUARDS: dict[str, Callable[[], None]] = {
    "recovery": without_recovery,
    "deduplication": without_deduplication,
    "fencing": without_fencing,
    "overlap": without_overlap,
}

if __name__ == "__main__":
    GUARDS[sys.argv[1]]()
    from alpha.cli import main

    sys.argv = ["alpha", "listener"]
    main()
