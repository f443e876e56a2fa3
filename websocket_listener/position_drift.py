"""How a difference between fold and exchange looks in the ledger's table of drift, and back."""

from __future__ import annotations

from decimal import Decimal

from alpha.domain.ids import AccountName, Symbol
from alpha.ledger.drift import DriftKind, EntryBlocks, Finding
from websocket_listener.live_positions import Disagreement, Row


def subject_of(difference: Disagreement) -> str:
    return f"{difference.symbol}:{difference.position_idx}"


def finding_of(account: AccountName, difference: Disagreement) -> Finding:
    """The finding is the same one for as long as both sides differ by the same quantity, whatever is traded."""
    by = str(difference.quantity.normalize())
    return Finding(
        kind=DriftKind.POSITION,
        account=account,
        bot=difference.bots[0] if len(difference.bots) == 1 else None,
        symbol=difference.symbol,
        subject=subject_of(difference),
        detail={
            "exchange": str(difference.exchange_quantity),
            "fills": str(difference.fold_quantity),
            "difference": by,
        },
        same_while={"difference": by},
    )


def accepted_differences(blocks: EntryBlocks, account: AccountName) -> frozenset[tuple[Row, Decimal]]:
    """The differences (signed, base units) that a person accepted, with their rows."""
    found = set()
    for finding in blocks.accepted:
        if finding.account == account and finding.kind is DriftKind.POSITION and "difference" in finding.detail:
            symbol, _, position_idx = finding.subject.rpartition(":")
            found.add(((Symbol(symbol), int(position_idx)), Decimal(str(finding.detail["difference"]))))
    return frozenset(found)
