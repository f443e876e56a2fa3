"""The demo: the whole platform on one machine for a minute, and a verdict on its ledger."""

from alpha.local.demo.run import run_demo

__all__ = ["run_demo"]
