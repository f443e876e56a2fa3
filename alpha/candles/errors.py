"""What can be wrong with recorded candles."""

from __future__ import annotations

from alpha.domain.errors import Misconfigured


class CandlesUnavailable(Misconfigured):
    """The folder, the symbol or the column asked for is not there, or what is there cannot be used."""


class CandleConflict(Misconfigured):
    """Two recordings of the same candle say different things, so neither can be trusted."""
