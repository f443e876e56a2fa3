"""The mirror of `trading.controls` in the state database: what the trader allows, within a second, without a query.

The mirror says when it was last refreshed; a mirror that is not fresh allows nothing. Beside it stand freezes: what a
kill forbids at once, without waiting for the ledger or its mirror, until the kill is lifted.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import redis

from alpha.domain.errors import InvalidValue
from alpha.ledger.controls import Control, DesiredState
from alpha.live.answers import hash_of, hashes_of, run, write_hash
from alpha.live.connection import LiveStateError
from alpha.live.wire import ms, now, parse_ms

FRESH_FOR = timedelta(seconds=5)
KEY = "controls"
FREEZES_KEY = "freezes"
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
    """The mirror with the freezes above it, or None when there is no mirror (which allows nothing). Raises
    LiveStateError for what is not ours."""
    fields, frozen = hashes_of(client, KEY, FREEZES_KEY)
    refreshed_at = parse_ms(fields.pop(_REFRESHED_AT, None))
    for ours in (_VERSION, _WRITTEN_AT):
        fields.pop(ours, None)
    if refreshed_at is None:
        return None
    controls = {name: _from_json(name, text) for name, text in fields.items()}
    for freeze in map(_freeze_of, frozen.values()):
        mirrored = controls.get(freeze.scope)
        # Of both the one that forbids counts, and the mirror where both do: it has come later.
        if mirrored is None or mirrored.entries_allowed:
            controls[freeze.scope] = freeze
    return LiveControls(refreshed_at, controls)


def freeze(client: redis.Redis, control: Control) -> None:
    """Entries of the control's scope stop at once, whatever the mirror says, until its kill is thawed."""
    if control.kill is None or control.entries_allowed:
        raise InvalidValue("a freeze forbids entries, and it is a kill's")
    text = json.dumps({"scope": control.scope, "control": _to_json(control)})
    write_hash(client, FREEZES_KEY, {control.kill: text})


def thaw(client: redis.Redis, kill: str) -> None:
    """Ends what a kill froze; nothing there is fine."""
    client.hdel(FREEZES_KEY, kill)


def freezes(client: redis.Redis) -> dict[str, Control]:
    """What is frozen, by kill. Raises LiveStateError for what is not ours."""
    return {kill: _freeze_of(text) for kill, text in hash_of(client, FREEZES_KEY).items()}


def _freeze_of(text: str) -> Control:
    try:
        raw = json.loads(text)
        scope, control = raw["scope"], raw["control"]
    except (KeyError, TypeError, ValueError) as error:
        raise LiveStateError(f"Redis key {FREEZES_KEY} does not hold freezes ({error!r}); delete it") from error
    return _from_json(scope, control)


def _to_json(control: Control) -> str:
    return json.dumps(
        {
            "entries_allowed": control.entries_allowed,
            "desired_state": control.desired_state.value,
            "by": control.by,
            "why": control.why,
            "at": control.at.isoformat(),
            "resumed_at": None if control.resumed_at is None else control.resumed_at.isoformat(),
            "kill": control.kill,
            "desired_state_at": None if control.desired_state_at is None else control.desired_state_at.isoformat(),
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
            resumed_at=_time(raw.get("resumed_at")),
            kill=raw.get("kill"),
            desired_state_at=_time(raw.get("desired_state_at")),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise LiveStateError(f"Redis key {KEY} does not hold controls ({error!r}); delete it: it is rebuilt") from error


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
