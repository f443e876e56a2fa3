"""Hashes in the state database that belong to an account: a listener whose epoch is gone does not change them."""

from __future__ import annotations

from collections.abc import Mapping

from alpha.live.databases import Command

_REPLACE = """
local held = tonumber(redis.call('HGET', KEYS[1], 'epoch') or nil)
if held and held > tonumber(ARGV[1]) then return held end
redis.call('HSET', KEYS[1], unpack(ARGV, 3))
if ARGV[2] ~= '0' then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return 0
"""


def replace_hash_command(key: str, epoch: int, fields: Mapping[str, str], *, forgotten_after_ms: int = 0) -> Command:
    """Set the fields (one of them is `epoch`) unless a newer epoch wrote them; answers 0, or that epoch."""
    flat = [part for pair in fields.items() for part in pair]
    return ("EVAL", _REPLACE, 1, key, epoch, forgotten_after_ms, *flat)
