"""Whether the ledger equals what the exchange did. Pure: rows in, verdict out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from alpha.domain.ids import BotId, Symbol
from alpha.ledger.fills import RecordedFill
from alpha.local.journal import JournalEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionCheck:
    """One bot's position in one symbol, signed, as three parties tell it; None where a party says nothing."""

    bot: BotId
    symbol: Symbol
    exchange: Decimal
    ledger: Decimal | None
    live: Decimal | None

    @property
    def drifted(self) -> bool:
        return not (self.exchange == self.ledger == self.live)


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What differs between the exchange's journal and the ledger. Empty and zero everywhere when they are equal."""

    exchange_fills: int
    ledger_fills: int
    missing: tuple[str, ...]
    invented: tuple[str, ...]
    duplicates: int
    unattributed: int
    differing: tuple[str, ...]
    positions: tuple[PositionCheck, ...]

    @property
    def drifted(self) -> tuple[PositionCheck, ...]:
        return tuple(check for check in self.positions if check.drifted)

    @property
    def open_positions(self) -> int:
        return sum(1 for check in self.positions if check.exchange != 0)

    @property
    def equal(self) -> bool:
        return not (
            self.missing or self.invented or self.duplicates or self.unattributed or self.differing or self.drifted
        )


def compare(
    journal: Sequence[JournalEntry], ledger: Sequence[RecordedFill], positions: Iterable[PositionCheck]
) -> Comparison:
    """The journal against the ledger, by execution id and then field by field."""
    executed = {entry.exec_id: entry for entry in journal}
    recorded: dict[str, RecordedFill] = {row.fill.exec_id: row for row in ledger}
    copies = Counter(row.fill.exec_id for row in ledger)
    return Comparison(
        exchange_fills=len(journal),
        ledger_fills=len(ledger),
        missing=tuple(exec_id for exec_id in executed if exec_id not in recorded),
        invented=tuple(exec_id for exec_id in recorded if exec_id not in executed),
        duplicates=sum(count - 1 for count in copies.values()),
        unattributed=sum(1 for row in ledger if row.attribution.bot is None),
        differing=tuple(_differences(executed, recorded)),
        positions=tuple(positions),
    )


def _differences(executed: Mapping[str, JournalEntry], recorded: Mapping[str, RecordedFill]) -> Iterable[str]:
    for exec_id, entry in executed.items():
        row = recorded.get(exec_id)
        if row is None:
            continue
        fill = row.fill
        told = (fill.account, fill.symbol, fill.side.value, fill.price, fill.quantity, fill.fee, fill.exec_type.value)
        true = (entry.account, entry.symbol, entry.side, entry.price, entry.quantity, entry.fee, entry.exec_type)
        if told != true or fill.order_link_id != entry.order_link_id or fill.order_id != entry.order_id:
            yield exec_id
