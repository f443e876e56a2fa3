"""What is drilled, and for how long."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from alpha.ledger.connection import Dsn
from alpha.local.drill.kinds import Kind
from alpha.local.drill.stage import LISTENER_COMMAND

DEFAULT_FILLS, DEFAULT_ACCOUNTS = 3_000, 3


@dataclass(frozen=True, slots=True, kw_only=True)
class DrillOptions:
    """`fills`: executions of one phase. `minutes`: goes on with new phases for so long; None is one phase.

    What follows `kinds` is for tests: faults in haste, other listeners than ours, a database made weaker, and for how
    long a ledger that does not become equal is waited for.
    """

    seed: int
    fills: int = DEFAULT_FILLS
    accounts: int = DEFAULT_ACCOUNTS
    minutes: float | None = None
    kinds: frozenset[Kind] = frozenset(Kind)
    pause_s: tuple[float, float] = (0.3, 1.5)
    listeners: int = 2
    listener_command: Sequence[str] = LISTENER_COMMAND
    prepare: Callable[[Dsn], None] = lambda _: None
    settle_s: float = 120.0
