"""The queue of what people are told: one row per notification and recipient, and the messages that carry them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from alpha.domain.ids import AccountName, BotId
from alpha.ledger.alerts import ALERT_COLUMNS, Alert, Severity, alert_of_row
from alpha.ledger.connection import Connection, as_json, transaction

FOLD_WITHIN = timedelta(minutes=10)
"""What says the same as something told this short a time ago is counted there."""
KEPT = timedelta(days=30)
_LOCK = (0x616C7068, 0x74656C65)
"""Of the one session that works on the queue, as the two numbers of an advisory lock."""
_LATECOMERS = 1000
"""An alert that so many with higher numbers were taken before is not waited for: it was never committed."""


@dataclass(frozen=True, slots=True)
class Recipient:
    """A chat, and whose token sends there: `c2`, or the bot with a token of its own."""

    sender: str
    chat: str


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """Something to tell. News with the same `fold` say the same; None: it is like no other. `at` is wall clock."""

    kind: str
    severity: Severity
    text: str
    at: datetime
    account: AccountName | None = None
    bot: BotId | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)
    fold: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """News for one recipient. `times`: how many identical ones it stands for, between `first_at` and `last_at`."""

    number: int
    recipient: Recipient
    kind: str
    severity: Severity
    text: str
    account: AccountName | None
    bot: BotId | None
    detail: Mapping[str, Any]
    times: int
    first_at: datetime
    last_at: datetime
    queued_at: datetime
    sent_at: datetime | None
    repeats: int
    acknowledged_by: str | None

    @property
    def waits_for_acknowledgement(self) -> bool:
        return self.severity is Severity.CRITICAL and self.acknowledged_by is None


@dataclass(frozen=True, slots=True, kw_only=True)
class SentMessage:
    """A message as Telegram has it, with all that it tells."""

    number: int
    recipient: Recipient
    message_id: int
    notifications: tuple[Notification, ...]


_NOTIFICATION = (
    "n.id, n.sender, n.chat, n.kind, n.severity, n.text, n.account, n.bot, n.detail, n.times, n.first_at, n.last_at,"
    " n.queued_at, n.sent_at, n.repeats, n.acknowledged_by"
)


def hold_queue(connection: Connection) -> bool:
    """Whether this session is the one that fills and empties the queue: a second command centre would tell everything
    twice. Held until the connection ends; for direct connections only."""
    with transaction(connection) as cursor:
        cursor.execute(
            "SELECT CASE WHEN EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()"
            " AND classid = %(class)s AND objid = %(object)s AND granted) THEN true"
            " ELSE pg_try_advisory_lock(%(class)s, %(object)s) END",
            {"class": _LOCK[0], "object": _LOCK[1]},
        )
        (held,) = cursor.fetchone() or (False,)
    return bool(held)


# Into the queue


def queue_news(connection: Connection, news: Sequence[News], recipients: Iterable[Recipient]) -> None:
    """For each recipient: a row, or one more in the count of the row that says the same."""
    with transaction(connection) as cursor:
        for recipient in recipients:
            for each in news:
                if each.fold is not None:
                    cursor.execute(
                        """
                        UPDATE trading.notifications SET
                            times = times + 1, last_at = greatest(last_at, %(at)s), text = %(text)s, detail = %(detail)s
                        WHERE id = (
                            SELECT id FROM trading.notifications
                            WHERE sender = %(sender)s AND chat = %(chat)s AND fold = %(fold)s
                                AND acknowledged_at IS NULL
                                AND (message IS NULL OR repeat_at IS NOT NULL
                                    OR queued_at > clock_timestamp() - %(within)s)
                            ORDER BY id DESC LIMIT 1
                        )
                        """,
                        _parameters(recipient, each) | {"within": FOLD_WITHIN},
                    )
                    if cursor.rowcount:
                        continue
                cursor.execute(
                    """
                    INSERT INTO trading.notifications
                        (sender, chat, kind, severity, account, bot, text, detail, fold, first_at, last_at)
                    VALUES (%(sender)s, %(chat)s, %(kind)s, %(severity)s, %(account)s, %(bot)s, %(text)s, %(detail)s,
                            coalesce(%(fold)s, ''), %(at)s, %(at)s)
                    """,
                    _parameters(recipient, each),
                )


def untaken_alerts(connection: Connection, limit: int = 500) -> list[tuple[int, Alert]]:
    """Alerts that are not in the queue yet, oldest first. The first call ever begins an hour before itself."""
    with transaction(connection) as cursor:
        floor = _floor(connection)
        cursor.execute(
            f"SELECT a.id, {ALERT_COLUMNS} FROM trading.alerts AS a WHERE a.id > %s"
            " AND NOT EXISTS (SELECT FROM trading.taken_alerts AS t WHERE t.alert = a.id) ORDER BY a.id LIMIT %s",
            (floor, limit),
        )
        return [(row[0], alert_of_row(row[1:])) for row in cursor.fetchall()]


def take_alerts(connection: Connection, numbers: Sequence[int]) -> None:
    """They are in the queue: call it in the transaction that put them there."""
    with transaction(connection) as cursor:
        cursor.execute(
            "INSERT INTO trading.taken_alerts (alert) SELECT unnest(%s::bigint[]) ON CONFLICT DO NOTHING",
            (list(numbers),),
        )


def cursor_of(connection: Connection, source: str) -> str | None:
    """Up to where a source is in the queue."""
    with transaction(connection) as cursor:
        cursor.execute("SELECT position FROM trading.notifier_cursors WHERE source = %s", (source,))
        row = cursor.fetchone()
    return None if row is None else str(row[0])


def move_cursor(connection: Connection, source: str, position: str) -> None:
    """Call it in the transaction that queued what lies before."""
    with transaction(connection) as cursor:
        cursor.execute(
            "INSERT INTO trading.notifier_cursors (source, position) VALUES (%s, %s) ON CONFLICT (source)"
            " DO UPDATE SET position = excluded.position, updated_at = clock_timestamp()",
            (source, position),
        )


# Out of the queue

_STILL_TO_TELL = "(n.sent_at IS NULL OR n.acknowledged_at IS NULL)"


def waiting_for(connection: Connection, recipient: Recipient, limit: int = 1000) -> list[Notification]:
    """What the recipient has not been told, or not again, oldest first."""
    return _select(
        connection,
        f"n.message IS NULL AND {_STILL_TO_TELL} AND n.sender = %s AND n.chat = %s",
        (*_key(recipient), limit),
    )


def due_repetitions(connection: Connection, recipient: Recipient, limit: int = 100) -> list[Notification]:
    """Critical notifications that nobody has acknowledged and that are to be told again now."""
    return _select(
        connection,
        "n.message IS NOT NULL AND n.repeat_at <= clock_timestamp() AND n.sender = %s AND n.chat = %s",
        (*_key(recipient), limit),
    )


def begin_message(
    connection: Connection,
    recipient: Recipient,
    notifications: Sequence[int],
    *,
    is_repetition: bool = False,
    perhaps_repeated: bool = False,
) -> int | None:
    """Notes, before sending, which notifications a message is about to tell. Returns the message's number; None for a
    repetition that is not to be sent, because somebody has acknowledged what it tells."""
    with transaction(connection) as cursor:
        if is_repetition:
            cursor.execute(
                "SELECT id FROM trading.notifications WHERE id = ANY(%s) AND acknowledged_at IS NULL FOR UPDATE",
                (list(notifications),),
            )
            if cursor.fetchone() is None:
                return None
        cursor.execute(
            "INSERT INTO trading.telegram_messages (sender, chat, is_repetition, perhaps_repeated)"
            " VALUES (%s, %s, %s, %s) RETURNING id",
            (*_key(recipient), is_repetition, perhaps_repeated),
        )
        (number,) = cursor.fetchone() or (0,)
        cursor.execute(
            "UPDATE trading.notifications SET message = %s WHERE id = ANY(%s)", (number, list(notifications))
        )
    return int(number)


def message_sent(
    connection: Connection, number: int, message_id: int, told: Mapping[int, int], repeat: timedelta
) -> None:
    """Telegram has it. `told`: notification -> the count that was shown; critical ones come again after `repeat`."""
    with transaction(connection) as cursor:
        cursor.execute(
            "UPDATE trading.telegram_messages SET sent_at = clock_timestamp(), message_id = %s WHERE id = %s",
            (message_id, number),
        )
        for notification, times in told.items():
            cursor.execute(
                """
                UPDATE trading.notifications SET
                    repeats = repeats + CASE WHEN sent_at IS NULL THEN 0 ELSE 1 END,
                    sent_at = coalesce(sent_at, clock_timestamp()),
                    told_times = %s,
                    repeat_at = CASE WHEN severity = 'critical' AND acknowledged_at IS NULL
                        THEN clock_timestamp() + %s END
                WHERE id = %s
                """,
                (times, repeat, notification),
            )


def message_not_sent(connection: Connection, number: int) -> None:
    """Telegram surely does not have it: what it told waits again."""
    with transaction(connection) as cursor:
        cursor.execute("UPDATE trading.notifications SET message = NULL WHERE message = %s", (number,))
        cursor.execute("DELETE FROM trading.telegram_messages WHERE id = %s AND sent_at IS NULL", (number,))


def doubtful_messages(connection: Connection, recipient: Recipient) -> list[tuple[int, tuple[int, ...]]]:
    """Messages that were begun and never known to have arrived, with their notifications: whoever sent them was killed
    meanwhile, or Telegram's answer got lost. Without repetitions of what somebody has acknowledged since."""
    with transaction(connection) as cursor:
        cursor.execute(
            "SELECT m.id, array_agg(n.id ORDER BY n.id) FILTER (WHERE n.id IS NOT NULL)"
            " FROM trading.telegram_messages AS m LEFT JOIN trading.notifications AS n ON n.message = m.id"
            " WHERE m.sent_at IS NULL AND m.sender = %s AND m.chat = %s"
            f" GROUP BY m.id HAVING count(n.id) = 0 OR bool_or({_STILL_TO_TELL}) ORDER BY m.id",
            _key(recipient),
        )
        return [(number, tuple(notifications or ())) for number, notifications in cursor.fetchall()]


def forget_message(connection: Connection, number: int) -> None:
    """A message that is replaced by another one with the same notifications."""
    with transaction(connection) as cursor:
        cursor.execute(
            "DELETE FROM trading.telegram_messages AS m WHERE m.id = %s"
            " AND NOT EXISTS (SELECT FROM trading.notifications AS n WHERE n.message = m.id)",
            (number,),
        )


def outgrown_messages(connection: Connection, recipient: Recipient, edit_every: timedelta) -> list[SentMessage]:
    """Messages that show a smaller count than there is by now, and were not changed within `edit_every`."""
    with transaction(connection) as cursor:
        cursor.execute(
            f"""
            SELECT m.id, m.message_id, {_NOTIFICATION}
            FROM trading.telegram_messages AS m JOIN trading.notifications AS n ON n.message = m.id
            WHERE m.sender = %s AND m.chat = %s AND m.sent_at > clock_timestamp() - interval '47 hours'
                AND coalesce(m.edited_at, m.sent_at) < clock_timestamp() - %s
                AND m.id IN (
                    SELECT grown.message FROM trading.notifications AS grown
                    WHERE grown.message IS NOT NULL AND grown.times > grown.told_times
                        AND grown.sender = %s AND grown.chat = %s
                        AND grown.last_at > clock_timestamp() - interval '1 day')
            ORDER BY m.id, n.id
            """,
            (*_key(recipient), edit_every, *_key(recipient)),
        )
        rows = cursor.fetchall()
    found: dict[int, tuple[int, list[Notification]]] = {}
    for row in rows:
        found.setdefault(row[0], (row[1], []))[1].append(_notification_of(row[2:]))
    return [
        SentMessage(number=number, recipient=recipient, message_id=message_id, notifications=tuple(told))
        for number, (message_id, told) in found.items()
    ]


def message_edited(connection: Connection, number: int, told: Mapping[int, int]) -> None:
    """The message shows these counts now."""
    with transaction(connection) as cursor:
        cursor.execute("UPDATE trading.telegram_messages SET edited_at = clock_timestamp() WHERE id = %s", (number,))
        for notification, times in told.items():
            cursor.execute(
                "UPDATE trading.notifications SET told_times = %s WHERE id = %s AND message = %s",
                (times, notification, number),
            )


# What people say to them


def unacknowledged(connection: Connection) -> list[Notification]:
    """Critical notifications that nobody has acknowledged, one of each fold whoever it was sent to, oldest first."""
    found: dict[tuple[str, str, str | None, str | None], Notification] = {}
    for each in _select(connection, "n.severity = 'critical' AND n.acknowledged_at IS NULL", (100,)):
        found.setdefault((each.kind, each.text, each.account, each.bot), each)
    return list(found.values())


def acknowledge(connection: Connection, number: int | None, *, by: str) -> int:
    """Somebody has seen a critical notification (None: all of them): it is told nobody again. Returns how many
    different ones that ended; 0 when somebody else was first."""
    with transaction(connection) as cursor:
        cursor.execute(
            """
            WITH seen AS (
                UPDATE trading.notifications AS n SET
                    acknowledged_at = clock_timestamp(), acknowledged_by = %(by)s, repeat_at = NULL
                WHERE n.severity = 'critical' AND n.acknowledged_at IS NULL
                    AND (%(number)s IS NULL OR n.fold = (
                        SELECT asked.fold FROM trading.notifications AS asked WHERE asked.id = %(number)s))
                RETURNING n.fold
            )
            SELECT count(DISTINCT fold) FROM seen
            """,
            {"by": by, "number": number},
        )
        (count,) = cursor.fetchone() or (0,)
    return int(count)


def acknowledged_by(connection: Connection, number: int) -> str | None:
    """Who acknowledged a notification."""
    with transaction(connection) as cursor:
        cursor.execute("SELECT acknowledged_by FROM trading.notifications WHERE id = %s", (number,))
        row = cursor.fetchone()
    return None if row is None else row[0]


def forget_old_notifications(connection: Connection) -> int:
    """Deletes what was told, or could not be told, longer than `KEPT` ago. Returns how many."""
    with transaction(connection) as cursor:
        cursor.execute(
            "DELETE FROM trading.notifications WHERE last_at < clock_timestamp() - %s AND repeat_at IS NULL", (KEPT,)
        )
        count = int(cursor.rowcount)
        cursor.execute(
            "DELETE FROM trading.telegram_messages AS m WHERE m.attempted_at < clock_timestamp() - %s"
            " AND NOT EXISTS (SELECT FROM trading.notifications AS n WHERE n.message = m.id)",
            (KEPT,),
        )
        cursor.execute(
            """
            WITH edge AS (SELECT max(alert) - %s AS alert FROM trading.taken_alerts), moved AS (
                UPDATE trading.notifier_cursors SET position = edge.alert::text, updated_at = clock_timestamp()
                FROM edge WHERE source = 'alerts' AND edge.alert > position::bigint RETURNING position::bigint AS floor)
            DELETE FROM trading.taken_alerts USING moved WHERE alert <= moved.floor
            """,
            (_LATECOMERS,),
        )
    return count


def _floor(connection: Connection) -> int:
    """The number up to which all alerts are taken."""
    position = cursor_of(connection, "alerts")
    if position is None:
        with transaction(connection) as cursor:
            cursor.execute(
                "SELECT coalesce(max(id), 0) FROM trading.alerts"
                " WHERE recorded_at < clock_timestamp() - interval '1 hour'"
            )
            (floor,) = cursor.fetchone() or (0,)
        position = str(floor)
        move_cursor(connection, "alerts", position)
    return int(position)


def _select(connection: Connection, condition: str, parameters: tuple[object, ...]) -> list[Notification]:
    with transaction(connection) as cursor:
        cursor.execute(
            f"SELECT {_NOTIFICATION} FROM trading.notifications AS n WHERE {condition} ORDER BY n.id LIMIT %s",
            parameters,
        )
        return [_notification_of(row) for row in cursor.fetchall()]


def notifications(connection: Connection, numbers: Sequence[int]) -> list[Notification]:
    """By their numbers, oldest first."""
    return _select(connection, "n.id = ANY(%s)", (list(numbers), len(numbers)))


def _notification_of(row: Sequence[Any]) -> Notification:
    return Notification(
        number=row[0],
        recipient=Recipient(row[1], row[2]),
        kind=row[3],
        severity=Severity(row[4]),
        text=row[5],
        account=row[6],
        bot=row[7],
        detail=row[8],
        times=row[9],
        first_at=row[10],
        last_at=row[11],
        queued_at=row[12],
        sent_at=row[13],
        repeats=row[14],
        acknowledged_by=row[15],
    )


def _key(recipient: Recipient) -> tuple[str, str]:
    return recipient.sender, recipient.chat


def _parameters(recipient: Recipient, news: News) -> dict[str, object]:
    return {
        "sender": recipient.sender,
        "chat": recipient.chat,
        "kind": news.kind,
        "severity": news.severity.value,
        "account": news.account,
        "bot": news.bot,
        "text": news.text,
        "detail": as_json(dict(news.detail)),
        "fold": news.fold,
        "at": news.at,
    }
