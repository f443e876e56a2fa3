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
from alpha.live.answers import entries_after, newest_id, oldest_id
from alpha.live.bot_database import FILLS_KEPT, BotStep, NotTheWriter, Standing, epoch_held, take_step
from alpha.live.bot_keys import epoch_key, fills_key
from alpha.live.fill_json import fill_from_json, fill_to_json

KEPT = FILLS_KEPT


class CursorTooOld(AlphaError):
    """The stream begins after the reader's cursor; the reader takes what it missed from the ledger."""


def publish(client: redis.Redis, bot: BotId, fills: Sequence[RecordedFill], *, epoch: int, base: int = 0) -> int:
    """Append the bot's fills that come next, in one atomic step; what is there already is left alone.

    Answers the last bot_seq in the stream: when it is below that of the last fill given, the stream has a hole before
    them and the caller gives the fills after the answer, from the ledger. `base` lets a stream that ends before it
    begin anew at `base + 1`; only a caller that has just read the ledger's head may say so. Raises NotTheWriter when
    the database is not written under `epoch`.
    """
    entries = []
    for recorded in fills:
        if recorded.bot_seq is None or recorded.attribution.bot != bot:
            raise InvariantViolated(f"fill {recorded.fill.exec_id} has no place in the stream of {bot}")
        entries.append((recorded.bot_seq, fill_to_json(recorded)))
    answer = take_step(client, BotStep(bot=bot, epoch=epoch, fills=entries, base=base))
    if answer.standing is not Standing.WRITTEN:
        raise NotTheWriter(bot, epoch, answer.held)
    return answer.last_seq


_FORGET = """
local held = tonumber(redis.call('GET', KEYS[1]) or nil)
if held ~= tonumber(ARGV[1]) then return 0 end
local newest = redis.call('XREVRANGE', KEYS[2], '+', '-', 'COUNT', 1)
if newest[1] and newest[1][1] == ARGV[2] .. '-0' then redis.call('DEL', KEYS[2]) end
return 1
"""


def forget(client: redis.Redis, bot: BotId, *, epoch: int, last: int) -> None:
    """Drop the stream if it still ends with fill `last`, as when it belongs to another ledger than ours. Raises
    NotTheWriter when the database is not written under `epoch`."""
    if not client.eval(_FORGET, 2, epoch_key(bot), fills_key(bot), str(epoch), str(last)):
        raise NotTheWriter(bot, epoch, epoch_held(client, bot))


def last_seq(client: redis.Redis, bot: BotId) -> int:
    """The bot_seq of the newest entry; 0 for an empty stream."""
    newest = newest_id(client, fills_key(bot))
    return int(newest.split("-")[0]) if newest else 0


def first_seq(client: redis.Redis, bot: BotId) -> int:
    """The bot_seq of the oldest entry: older ones were trimmed, or the stream began anew after them. 0 when empty."""
    oldest = oldest_id(client, fills_key(bot))
    return int(oldest.split("-")[0]) if oldest else 0


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
