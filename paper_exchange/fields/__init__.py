"""The fields of Bybit's answers and frames as data (`*.yaml`), and whether a message has them."""

from __future__ import annotations

from paper_exchange.fields.shapes import TableUnusable
from paper_exchange.fields.table import FieldTable, load_fields

__all__ = ["FieldTable", "TableUnusable", "load_fields"]
