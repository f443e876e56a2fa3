"""Who asks."""

from __future__ import annotations

from dataclasses import dataclass

from alpha.config.telegram import Role

__all__ = ["Actor", "Role"]


@dataclass(frozen=True, slots=True)
class Actor:
    """Who asks. `name` is what the audit trail shows: `telegram:<user id>` or `cli:<login>`."""

    name: str
    role: Role
