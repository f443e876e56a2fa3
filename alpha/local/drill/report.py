"""The outcome of a drill: what passes, and how it is told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.table import Table

from alpha.local.drill.director import Tally
from alpha.local.drill.judge import Verdict
from alpha.local.drill.kinds import Kind
from alpha.local.proving import ProofResult

EQUAL, DIFFERENT, HIT_NOTHING = 0, 1, 2


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenerOutcome:
    """How one listener fared. `memory_mb`: resident, at the first, the last and the highest look; empty where the
    system does not tell. `own_ends`: exit codes of ends that no fault brought about."""

    name: str
    memory_mb: tuple[float, ...]
    own_ends: Sequence[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class DrillReport:
    """One drill. `seed`: of its first phase. `settled_in_s`: from the last fault's end until everything was equal; None
    when it never was. `proof`: the same asked of the exchange's own books, as `alpha proof` does; None where the
    verdict said no before."""

    seed: int
    fills: int
    accounts: int
    phases: int
    seconds: float
    verdict: Verdict
    settled_in_s: float | None
    tallies: Mapping[Kind, Tally]
    planned: frozenset[Kind]
    listeners: Sequence[ListenerOutcome]
    proof: ProofResult | None = None

    @property
    def hit_nothing(self) -> tuple[Kind, ...]:
        """Kinds that were meant to meet something and did not: the drill shows nothing of them."""
        return tuple(sorted(kind for kind in self.planned if kind not in self.tallies or self.tallies[kind].hit == 0))

    @property
    def exit_code(self) -> int:
        if not self.verdict.equal or (self.proof is not None and not self.proof.proven):
            return DIFFERENT
        return HIT_NOTHING if self.hit_nothing else EQUAL

    @property
    def last_seed(self) -> int:
        """Of the last phase, which is the one in which something differed if anything did."""
        return self.seed + self.phases - 1

    @property
    def again(self) -> str:
        """The command that plays the same drill; of several phases, one with the faults of the last. Its orders and its
        market are others: these went on from phase to phase."""
        return f"alpha drill --seed {self.last_seed} --fills {self.fills} --accounts {self.accounts}"

    def to_json(self) -> dict[str, Any]:
        """The documented object of `alpha drill --json`."""
        verdict = self.verdict
        return {
            "passed": self.exit_code == EQUAL,
            "exit_code": self.exit_code,
            "seed": self.seed,
            "last_seed": self.last_seed,
            "fills": self.fills,
            "accounts": self.accounts,
            "phases": self.phases,
            "seconds": round(self.seconds, 1),
            "executed": verdict.executed,
            "recorded": verdict.recorded,
            "lost": verdict.lost,
            "doubled": verdict.doubled,
            "misattributed": verdict.misattributed,
            "trades": verdict.trades,
            "positions": verdict.positions,
            "recovered": verdict.recovered,
            "settled_in_s": None if self.settled_in_s is None else round(self.settled_in_s, 2),
            "proven": None if self.proof is None else self.proof.proven,
            "proof": None if self.proof is None else self.proof.to_json(),
            "differences": [
                {"what": difference.what, "where": list(difference.where)} for difference in verdict.differences
            ],
            "faults": {
                kind.value: {"injected": tally.injected, "hit": tally.hit, "unit": kind.hits}
                for kind, tally in sorted(self.tallies.items())
            },
            "hit_nothing": [kind.value for kind in self.hit_nothing],
            "listeners": {
                outcome.name: {"memory_mb": list(outcome.memory_mb), "own_ends": list(outcome.own_ends)}
                for outcome in self.listeners
            },
        }

    def print(self, console: Console) -> None:
        """The summary for a person."""
        console.print(self._table())
        verdict = self.verdict
        settled = "never" if self.settled_in_s is None else f"{self.settled_in_s:.1f} s after the last fault"
        lines = [
            "",
            f"{verdict.executed} executed, {verdict.lost} lost, {verdict.doubled} doubled, "
            f"{verdict.misattributed} misattributed; {verdict.trades} trades, {verdict.positions} positions; "
            f"{verdict.recovered} recovered over REST; equal {settled}.",
            *(self._memory(outcome) for outcome in self.listeners),
        ]
        for line in lines:
            console.print(line, soft_wrap=True, highlight=False)
        for outcome in self.listeners:
            if outcome.own_ends:
                codes = ", ".join(map(str, outcome.own_ends))
                console.print(f"{outcome.name} ended by itself with {codes} and was started again.", style="yellow")
        if verdict.equal:
            console.print(
                "Ledger, positions, fees, trades, Redis and every bot's stream equal what the exchange did.",
                soft_wrap=True,
            )
        if self.proof is not None and self.proof.proven:
            console.print(
                "Proven by the exchange's own books: transaction log, closed P&L and wallet, to the cent.",
                soft_wrap=True,
            )
        elif self.proof is not None:
            self.proof.show(console)
        for difference in verdict.differences:
            console.print(f"NOT EQUAL: {difference}", style="red", highlight=False, soft_wrap=True, markup=False)
        for kind in self.hit_nothing:
            console.print(f"HIT NOTHING: {kind} ({kind.meaning})", style="red", highlight=False, soft_wrap=True)
        what = "Again" if self.phases == 1 else "The faults of the last phase again"
        console.print(f"{what}: {self.again}", highlight=False, soft_wrap=True)

    def _table(self) -> Table:
        table = Table(title="What was done to it", title_justify="left", box=None, header_style="bold")
        table.add_column("fault")
        table.add_column("what it is")
        table.add_column("injected", justify="right")
        table.add_column("hit", justify="right")
        table.add_column("")
        for kind in Kind:
            if (tally := self.tallies.get(kind)) is not None:
                table.add_row(kind.value, kind.meaning, str(tally.injected), str(tally.hit), kind.hits)
        return table

    @staticmethod
    def _memory(outcome: ListenerOutcome) -> str:
        if not outcome.memory_mb:
            return f"{outcome.name}: memory unknown."
        first, last, highest = outcome.memory_mb
        return f"{outcome.name}: {first:.0f} MB at first, {last:.0f} MB at last, {highest:.0f} MB at most."
