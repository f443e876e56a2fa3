"""What the exchange says no to, with Bybit's code and, where it was seen live, Bybit's wording."""

from __future__ import annotations

from alpha.domain.errors import AlphaError


class Refused(AlphaError):
    """A request that changed nothing. `code` is Bybit's retCode and `text` its retMsg."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(f"{code}: {text}")
        self.code = code
        self.text = text
