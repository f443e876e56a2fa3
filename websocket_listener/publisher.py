from __future__ import annotations

from collections.abc import Iterable, Mapping

import redis

from alpha.domain.ids import BotId
from alpha.ledger.fill_rows import RecordedFill
from alpha.live import bus, fill_stream
from alpha.live.fill_json import fill_to_json


class Publisher:
    """Committed fills into their bots' streams and onto the bus.

    The streams are replicas of the ledger: appending is atomic and leaves alone what is there, so publishing twice,
    late or by two threads at once changes nothing. Members of `LIVE_ERRORS` pass through.
    """

    def __init__(self, by_bot: Mapping[BotId, redis.Redis], bus_client: redis.Redis) -> None:
        self._by_bot, self._bus = by_bot, bus_client

    def publish(self, fills: Iterable[RecordedFill]) -> set[BotId]:
        """Append the fills, given in commit order; answers the bots whose stream has a hole before them, to be filled
        from the ledger."""
        told = list(fills)
        by_bot: dict[BotId, list[RecordedFill]] = {}
        for recorded in told:
            bot = recorded.attribution.bot
            # A bot that left the registry keeps its fills in the ledger and has no stream any more.
            if bot is not None and bot in self._by_bot:
                by_bot.setdefault(bot, []).append(recorded)
        holes = set()
        for bot, mine in by_bot.items():
            last = fill_stream.publish(self._by_bot[bot], bot, mine)
            if last < (mine[-1].bot_seq or 0):
                holes.add(bot)
        bus.publish(self._bus, bus.FILLS, [fill_to_json(recorded) for recorded in told])
        return holes
