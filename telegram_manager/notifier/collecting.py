"""From the ledger into the queue, each thing once: what is queued and how far was read is one transaction."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from alpha.config.registry import Registry
from alpha.config.telegram import TelegramSettings
from alpha.domain.ids import BotId
from alpha.ledger.alerts import Alert
from alpha.ledger.closed_trades import trades_closed_by
from alpha.ledger.connection import Connection, transaction
from alpha.ledger.notifications import (
    News,
    Recipient,
    cursor_of,
    move_cursor,
    queue_news,
    take_alerts,
    untaken_alerts,
)
from alpha.ledger.reading import bot_heads, fills_after
from telegram_manager.notifier.news import alert_news, fill_news, recipients_of, trade_news

_FILLS_AT_ONCE = 500


class Collector:
    """Reads alerts, fills and closed trades. `was_told(alert, recipient)`: while the ledger was away."""

    def __init__(
        self,
        settings: TelegramSettings,
        registry: Registry,
        was_told: Callable[[Alert, Recipient], bool] = lambda _alert, _recipient: False,
    ) -> None:
        self._settings, self._registry, self._was_told = settings, registry, was_told

    def collect(self, connection: Connection) -> int:
        """Queues what is new and returns how much that was."""
        return self._alerts(connection) + self._fills(connection)

    def queue(self, connection: Connection, news: Iterable[News]) -> None:
        """Puts news into the queues of those whom they are for."""
        for each in news:
            queue_news(connection, [each], recipients_of(each, self._settings))

    def _alerts(self, connection: Connection) -> int:
        with transaction(connection):
            found = untaken_alerts(connection)
            if found:
                for _, alert in found:
                    news = alert_news(alert)
                    untold = [to for to in recipients_of(news, self._settings) if not self._was_told(alert, to)]
                    queue_news(connection, [news], untold)
                take_alerts(connection, [number for number, _ in found])
        return len(found)

    def _fills(self, connection: Connection) -> int:
        heads = bot_heads(connection)
        return sum(self._fills_of(connection, bot, heads[bot]) for bot in self._registry.bots if bot in heads)

    def _fills_of(self, connection: Connection, bot: BotId, head: int) -> int:
        source = f"fills:{bot}"
        with transaction(connection):
            position = cursor_of(connection, source)
            if position is None:
                # Whoever begins to listen is not told of the past.
                move_cursor(connection, source, str(head))
                return 0
            if int(position) >= head:
                return 0
            fills = fills_after(connection, bot, int(position), _FILLS_AT_ONCE)
            if not fills:
                return 0
            self.queue(connection, fill_news(fills))
            since = min(recorded.fill.exec_time for recorded in fills)
            exec_ids = [recorded.fill.exec_id for recorded in fills]
            trades = trades_closed_by(connection, bot, exec_ids, since, fills[-1].recorded_at)
            self.queue(connection, trade_news(trades))
            move_cursor(connection, source, str(fills[-1].bot_seq))
        return len(fills)
