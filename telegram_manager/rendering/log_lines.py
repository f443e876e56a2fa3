"""A line of a service's log as a person reads it."""

from __future__ import annotations

import json
from typing import Any

_HEAD = ("time", "severity", "event")
_LEFT_OUT = frozenset({*_HEAD, "service", "bot", "logger"})


def readable(line: str) -> str:
    """`10:45:01 info fill_handled symbol=BTCUSDT`; what is no event of ours stays as it is."""
    try:
        said: Any = json.loads(line)
    except ValueError:
        return line
    if not isinstance(said, dict) or "event" not in said:
        return line
    time = str(said.get("time", ""))
    clock = time[11:19] if len(time) >= 19 else time
    fields = [f"{name}={_value(value)}" for name, value in said.items() if name not in _LEFT_OUT and value != ""]
    return " ".join(part for part in (clock, str(said.get("severity", "")), str(said["event"]), *fields) if part)


def _value(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))
