"""The drill: everything that can break is broken while accounts trade, and a verdict on what the ledger holds then."""

from alpha.local.drill.command import run_drill
from alpha.local.drill.kinds import Kind
from alpha.local.drill.options import DrillOptions

__all__ = ["DrillOptions", "Kind", "run_drill"]
