"""Distinct types for each id, so that a type checker refuses to mix them."""

from __future__ import annotations

from typing import NewType

AccountName = NewType("AccountName", str)
"""Name of an account in bots.yaml; one Bybit UID."""
BotId = NewType("BotId", str)
"""For example `shortseller_001`."""
Symbol = NewType("Symbol", str)
"""Exchange symbol in upper case, for example `BTCUSDT`."""
ExecId = NewType("ExecId", str)
"""The exchange's id of one execution; the identity of a fill."""
OrderId = NewType("OrderId", str)
"""The exchange's id of an order."""
