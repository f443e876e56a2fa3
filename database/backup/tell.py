from __future__ import annotations

from typing import Protocol

from alpha.ledger.alerts import Severity


class Tell(Protocol):
    """`alert()` of a service."""

    def __call__(self, kind: str, text: str, *, severity: Severity) -> None: ...
