"""`{bot}:state`: a copy of what a bot keeps, for whoever looks; the bot itself resumes from the ledger's row."""

from __future__ import annotations

import json
from typing import Any

import redis

from alpha.domain.ids import BotId
from alpha.live.bot_keys import epoch_key


def state_key(bot: BotId) -> str:
    return f"{bot}:state"


def write_state(client: redis.Redis, bot: BotId, state: dict[str, Any]) -> None:
    """In the bot's own database. The state is JSON already: money in it is a string."""
    client.set(state_key(bot), json.dumps(state, separators=(",", ":")))


_RESTORE = """
if tonumber(redis.call('GET', KEYS[1]) or nil) == tonumber(ARGV[1]) then redis.call('SET', KEYS[2], ARGV[2], 'NX') end
"""


def restore_state(client: redis.Redis, bot: BotId, state: dict[str, Any], *, epoch: int) -> None:
    """For the listener that writes the database under `epoch`, after a flush: what the bot has written since stands."""
    text = json.dumps(state, separators=(",", ":"))
    client.eval(_RESTORE, 2, epoch_key(bot), state_key(bot), str(epoch), text)


def read_state(client: redis.Redis, bot: BotId) -> dict[str, Any] | None:
    text = client.get(state_key(bot))
    return None if text is None else state_of(str(text))


def state_of(text: str) -> dict[str, Any]:
    """The state in its text."""
    return dict(json.loads(text))
