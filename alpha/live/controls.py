"""The mirror of `trading.controls` in the state database: what the trader allows, within a second, without a query.

The mirror says when it was last refreshed; a mirror that is not fresh allows nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import redis

from alpha.ledger.controls import Control, DesiredState
from alpha.live.answers import hash_of, run
from alpha.live.connection import LiveStateError
from alpha.live.wire import ms, now, parse_ms

FRESH_FOR = timedelta(seconds=5)
KEY = "controls"
_REFRESHED_AT, _VERSION, _WRITTEN_AT = "refreshed_at", "version", "written_at"


@dataclass(frozen=True, slots=True)
class LiveControls:
    """Every control row by scope, and the wall time at which the listener last read them from the ledger."""

    refreshed_at: datetime
    by_scope: Mapping[str, Control]

    def is_fresh(self, at: datetime | None = None) -> bool:
        return (at or now()) - self.refreshed_at < FRESH_FOR


_WRITE = """
local time = redis.call('TIME')
local at = time[1] * 1000 + math.floor(time[2] / 1000)
local held = redis.call('HMGET', KEYS[1], 'version', 'written_at')
local version, written_at = tonumber(held[1] or nil), tonumber(held[2] or nil)
if version and written_at and version > tonumber(ARGV[1]) and math.abs(at - written_at) < tonumber(ARGV[2]) then
  return 0
end
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'written_at', at, 'version', unpack(ARGV, 3))
return 1
"""
"""A version that nobody has written for as long as it would be fresh says nothing any more: the ledger behind it may
have been replaced by one that counts from the beginning."""


def write_controls(client: redis.Redis, controls: Mapping[str, Control], *, version: int = 0, at: datetime) -> bool:
    """Make the mirror exactly these rows, as read from the ledger at wall time `at` in the state that it numbers
    `version`. False when the mirror is of a later one: a process that slept changes nothing."""
    fields = {_REFRESHED_AT: ms(at)} | {scope: _to_json(control) for scope, control in controls.items()}
    flat = [part for pair in fields.items() for part in pair]
    fresh_ms = int(FRESH_FOR.total_seconds() * 1000)
    return bool(run(client, _WRITE, KEY, str(version), str(fresh_ms), str(version), *flat))


def read_controls(client: redis.Redis) -> LiveControls | None:
    """The mirror, or None when there is none (which allows nothing). Raises LiveStateError for what is not ours."""
    fields = hash_of(client, KEY)
    refreshed_at = parse_ms(fields.pop(_REFRESHED_AT, None))
    for ours in (_VERSION, _WRITTEN_AT):
        fields.pop(ours, None)
    if refreshed_at is None:
        return None
    return LiveControls(refreshed_at, {name: _from_json(name, text) for name, text in fields.items()})


def _to_json(control: Control) -> str:
    return json.dumps(
        {
            "entries_allowed": control.entries_allowed,
            "desired_state": control.desired_state.value,
            "by": control.by,
            "why": control.why,
            "at": control.at.isoformat(),
            "resumed_at": None if control.resumed_at is None else control.resumed_at.isoformat(),
        }
    )


def _from_json(scope: str, text: str) -> Control:
    try:
        raw = json.loads(text)
        return Control(
            scope=scope,
            entries_allowed=raw["entries_allowed"],
            desired_state=DesiredState(raw["desired_state"]),
            by=raw["by"],
            why=raw["why"],
            at=datetime.fromisoformat(raw["at"]),
            resumed_at=None if raw.get("resumed_at") is None else datetime.fromisoformat(raw["resumed_at"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise LiveStateError(f"Redis key {KEY} does not hold controls ({error!r}); delete it: it is rebuilt") from error
