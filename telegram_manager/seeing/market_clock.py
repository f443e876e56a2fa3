"""What time it is on the market, where days begin and end."""

from __future__ import annotations

from datetime import datetime

from alpha.live.connection import LIVE_ERRORS, STATE_DB, LiveStateError, open_redis
from alpha.live.health import read_feed_health
from telegram_manager.context import Context


def market_now(context: Context) -> datetime:
    """The end of the newest closed bar: on a paper exchange the market may be days ahead of the world. The wall clock
    where nobody tells."""
    try:
        with open_redis(context.settings.redis(), STATE_DB) as redis:
            feed = read_feed_health(redis)
    except (*LIVE_ERRORS, LiveStateError):
        feed = None
    return context.clock() if feed is None or feed.last_bar_at is None else feed.last_bar_at
