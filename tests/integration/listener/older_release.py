"""`alpha listener` of a release whose parser does not know the execution type `Trade` yet."""

from __future__ import annotations

from typing import Any

from alpha.domain.fill import ExecType
from alpha.exchange import parse, wire_execution

_known_now = parse._exec_type


def known_then(item: Any) -> ExecType:
    if item["execType"] == "Trade":
        raise ValueError("'Trade' is not a valid ExecType")
    return _known_now(item)


if __name__ == "__main__":
    parse._exec_type = known_then
    # What the quick reader does not know it leaves to the other one.
    del wire_execution._EXEC_TYPES["Trade"]
    from alpha import cli

    cli.main()
