"""`{bot}:fills`: the committed fills of one bot, in commit order, each under the id `<bot_seq>-0`.

The stream is a replica of the ledger whose last id is its own mark: it is appended to without a hole or a repeat, and
can be flushed at any time. It keeps the newest `KEPT`; whoever needs older ones reads the ledger.
"""

from __future__ import annotations

from collections.abc import Sequence

import redis

from alpha.domain.errors import AlphaError, InvariantViolated
from alpha.domain.ids import BotId
from alpha.ledger.fill_rows import RecordedFill
from alpha.live.answers import entries_after, newest_id, run
from alpha.live.fill_json import fill_from_json, fill_to_json

KEPT = 10_000


class CursorTooOld(AlphaError):
    """The stream begins after the reader's cursor; the reader takes what it missed from the ledger."""


def fills_key(bot: BotId) -> str:
    return f"{bot}:fills"


_PUBLISH = """
local last = 0
local newest = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)
if newest[1] then last = tonumber(string.match(newest[1][1], '^%d+')) end
local base = tonumber(ARGV[1])
if last < base then
  redis.call('DEL', KEYS[1])
  last = base
end
for i = 3, #ARGV, 2 do
  local seq = tonumber(ARGV[i])
  if seq == last + 1 then
    redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[2], ARGV[i] .. '-0', 'fill', ARGV[i + 1])
    last = seq
  elseif seq > last then
    break
  end
end
return last
"""


def publish(client: redis.Redis, bot: BotId, fills: Sequence[RecordedFill], *, base: int = 0) -> int:
    """Append the bot's fills that come next, in one atomic step; what is there already is left alone.

    Answers the last bot_seq in the stream: when it is below that of the last fill given, the stream has a hole before
    them and the caller gives the fills after the answer, from the ledger. `base` lets a stream that ends before it
    begin anew at `base + 1`; only a caller that has just read the ledger's head may say so.
    """
    arguments: list[str] = [str(base), str(KEPT)]
    for recorded in fills:
        if recorded.bot_seq is None or recorded.attribution.bot != bot:
            raise InvariantViolated(f"fill {recorded.fill.exec_id} has no place in the stream of {bot}")
        arguments += [str(recorded.bot_seq), fill_to_json(recorded)]
    return run(client, _PUBLISH, fills_key(bot), *arguments)


def forget(client: redis.Redis, bot: BotId) -> None:
    """Drop the stream, as when it belongs to another ledger than ours."""
    client.delete(fills_key(bot))


def last_seq(client: redis.Redis, bot: BotId) -> int:
    """The bot_seq of the newest entry; 0 for an empty stream."""
    newest = newest_id(client, fills_key(bot))
    return int(newest.split("-")[0]) if newest else 0


def read(
    client: redis.Redis, bot: BotId, *, after: int, limit: int = 500, block_ms: int | None = None
) -> list[RecordedFill]:
    """The fills after bot_seq `after`, in order and without a hole; empty when there is none (yet).

    With `block_ms` waits that long for the first (keep it under the client's time-out). Raises CursorTooOld when the
    fill after `after` is no longer in the stream: read the ledger (`fills_after`) then.
    """
    key = fills_key(bot)
    entries = entries_after(client, {key: f"{after}-0"}, limit=limit, block_ms=block_ms).get(key, [])
    fills = [fill_from_json(entry["fill"]) for _, entry in entries]
    if fills and fills[0].bot_seq != after + 1:
        raise CursorTooOld(f"stream of {bot} begins at {fills[0].bot_seq}, after fill {after}: read the ledger")
    return fills
