"""What the exchange says no to, with Bybit's code and, where it was seen live, Bybit's wording."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alpha.domain.errors import AlphaError

if TYPE_CHECKING:
    from paper_exchange.engine.outcome import Outcome


class Refused(AlphaError):
    """A request that changed nothing. `code` is Bybit's retCode and `text` its retMsg.

    `outcome` says which refusal of a new order it is; None for every other request.
    """

    def __init__(self, code: int, text: str, outcome: Outcome | None = None) -> None:
        super().__init__(f"{code}: {text}")
        self.code = code
        self.text = text
        self.outcome = outcome
