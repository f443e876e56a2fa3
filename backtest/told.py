from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final, final

from mypy_extensions import mypyc_attr

from alpha.domain.ids import Symbol


@mypyc_attr(acyclic=True)
@final
@dataclass(init=False, unsafe_hash=True, slots=True)
class Told:
    """Something the strategy told the trader."""

    at: Final[datetime]
    kind: Final[str]
    text: Final[str]
    symbol: Final[Symbol | None]

    def __init__(self, at: datetime, kind: str, text: str, symbol: Symbol | None) -> None:
        self.at = at
        self.kind = kind
        self.text = text
        self.symbol = symbol
