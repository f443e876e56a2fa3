"""Subcommands of `alpha` and what they have in common."""
