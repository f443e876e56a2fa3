from __future__ import annotations


class OrderCounter:
    """Where the broker counts; does nothing by itself."""

    def denied(self, code: str) -> None: ...

    def sent(self, outcome: str, code: str, seconds: float) -> None: ...
