"""A bot's stream of fills follows the ledger: what it lacks is read there and appended."""

from __future__ import annotations

from collections.abc import Callable

import redis
import structlog

from alpha.domain.ids import BotId
from alpha.ledger.connection import Connection
from alpha.ledger.reading import fills_after
from alpha.live import fill_stream

log = structlog.get_logger()
_PAGE = 500
BEGUN_WITH = 1_000
"""How many fills a stream that was lost begins with: a bot is far less behind, and whoever is further reads the ledger.
The next fill waits for them."""


def refill(
    connection: Connection,
    client: redis.Redis,
    bot: BotId,
    *,
    epoch: int,
    last: int,
    head: int,
    stop: Callable[[], bool] = lambda: False,
) -> int:
    """Append what comes after fill `last`, the stream's end, up to the ledger's `head`; answers how many fills were
    there to append. The head must have been read after the stream.

    Raises NotTheWriter when the database is not written under `epoch`, LedgerError, members of LIVE_ERRORS.
    """
    if last > head:
        log.warning("stream_of_another_ledger_dropped", bot=bot, last=last, head=head)
        fill_stream.forget(client, bot, epoch=epoch, last=last)
        last = 0
    base = 0
    if last == 0:
        base = max(0, head - BEGUN_WITH)
    elif last < head - fill_stream.KEPT:
        base = head - fill_stream.KEPT
    began_at = last = max(last, base)
    while last < head and not stop():
        page = fills_after(connection, bot, last, limit=_PAGE)
        if not page:
            break
        last = fill_stream.publish(client, bot, page, epoch=epoch, base=base)
    if last > began_at:
        log.info("stream_filled", bot=bot, after=began_at, last=last)
    return max(0, last - began_at)
