"""Notifications as Telegram's HTML, and how many of them go into one message. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto, unique

from alpha.ledger.alerts import Severity
from alpha.ledger.notifications import News, Notification
from telegram_manager.rendering.telegram import html

FILL, TRADE, DAILY, KEPT_ANSWER = "fill", "trade_closed", "daily_summary", "answer"
"""Kinds of news that are no alerts."""
PAGE = "page"
"""In the detail of a kept answer: the page as it would have been sent."""
ALL = 0
"""Acknowledges every critical notification there is."""

_MOST_AT_ONCE = 20
_MOST_CRITICAL_ALONE = 5
_LONGEST_MESSAGE = 3500
_LONGEST_TEXT = 700
_MOST_KINDS = 30
_TITLES = {Severity.WARNING: "Warning", Severity.ERROR: "Error", Severity.CRITICAL: "Critical"}


@unique
class Form(Enum):
    """How a parcel is sent."""

    NOTICE = auto()
    DAILY_SUMMARY = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """One message. `acknowledge`: the notification that its button acknowledges. `is_silent`: no sound."""

    notifications: tuple[Notification, ...]
    html: str
    acknowledge: int | None = None
    is_silent: bool = False
    form: Form = Form.NOTICE

    @property
    def numbers(self) -> tuple[int, ...]:
        return tuple(each.number for each in self.notifications)

    @property
    def told(self) -> dict[int, int]:
        """How often each is said to have happened."""
        return {each.number: each.times for each in self.notifications}


def parcels(waiting: Sequence[Notification], *, perhaps_repeated: bool = False) -> list[Parcel]:
    """What is to be sent, most urgent first: each critical one alone, the rest together, a backlog as a summary."""
    critical = [each for each in waiting if each.waits_for_acknowledgement]
    ordinary = [each for each in waiting if not each.waits_for_acknowledgement]
    found = []
    if len(critical) <= _MOST_CRITICAL_ALONE:
        found += [parcel_of([each], perhaps_repeated=perhaps_repeated) for each in critical]
    else:
        found.append(_summary(critical, perhaps_repeated, acknowledge=ALL))
    alone = [each for each in ordinary if each.kind in (DAILY, KEPT_ANSWER)]
    found += [parcel_of([each], perhaps_repeated=perhaps_repeated) for each in alone]
    together = [each for each in ordinary if each.kind not in (DAILY, KEPT_ANSWER)]
    if len(together) > _MOST_AT_ONCE:
        found.append(_summary(together, perhaps_repeated))
    else:
        found += [parcel_of(batch, perhaps_repeated=perhaps_repeated) for batch in _batches(together)]
    return found


def parcel_of(told: Sequence[Notification], *, perhaps_repeated: bool = False) -> Parcel:
    """These in one message, each in full: also how a message that was sent is written anew when a count has grown."""
    first = told[0]
    if first.kind == DAILY:
        return Parcel(notifications=tuple(told), html="", is_silent=True, form=Form.DAILY_SUMMARY)
    texts = [str(each.detail[PAGE]) if each.kind == KEPT_ANSWER else in_words(each) for each in told]
    waiting = next((each.number for each in told if each.waits_for_acknowledgement), None)
    return Parcel(
        notifications=tuple(told),
        html="\n\n".join([*texts, *_doubt(perhaps_repeated)]),
        acknowledge=waiting,
        is_silent=all(each.severity is Severity.INFO for each in told),
    )


def in_words(notification: Notification) -> str:
    """One notification as a paragraph."""
    line = in_words_of_news(notification)
    note = _note(notification)
    return f"{line}\n<i>{note}</i>" if note else line


def in_words_of_news(news: Notification | News) -> str:
    """What it says, without how often and when."""
    title = _TITLES.get(news.severity)
    about = news.bot or news.account
    head = " ".join(f"<b>{html(part)}</b>" for part in (title, about) if part)
    text = html(_shortened(news.text))
    return f"{head}: {text}" if head else text


def _note(notification: Notification) -> str:
    parts = []
    if notification.severity is not Severity.INFO or notification.times > 1:
        parts.append(f"{notification.kind}, {_clock(notification.last_at)}")
    if notification.times > 1:
        parts.append(f"{notification.times} times since {_clock(notification.first_at)}")
    if notification.waits_for_acknowledgement and notification.sent_at is not None:
        parts.append(f"not acknowledged yet, told {notification.repeats + 2} times")
    if notification.acknowledged_by:
        parts.append(f"acknowledged by {html(notification.acknowledged_by)}")
    return "; ".join(parts)


def _summary(backlog: Sequence[Notification], perhaps_repeated: bool, acknowledge: int | None = None) -> Parcel:
    """What came while nothing could be sent, or faster than anybody reads: counts and the newest words of each kind."""
    first, last = min(each.first_at for each in backlog), max(each.last_at for each in backlog)
    total = sum(each.times for each in backlog)
    counts: Counter[tuple[str, str]] = Counter()
    newest: dict[tuple[str, str], Notification] = {}
    for each in backlog:
        key = (each.kind, each.bot or each.account or "")
        counts[key] += each.times
        newest[key] = each
    order = sorted(newest, key=lambda key: (-_rank(newest[key].severity), -counts[key], key))
    lines = [f"<b>{total} notifications, {_clock(first)} to {_clock(last)}</b>"]
    length = len(lines[0])
    for at, key in enumerate(order):
        kind, about = key
        words = html(_shortened(newest[key].text, 160))
        line = f"{counts[key]} {html(kind)}{f' {html(about)}' if about else ''}; last: {words}"
        if at == _MOST_KINDS or length + len(line) > _LONGEST_MESSAGE:
            lines.append(f"and {len(order) - at} more kinds, see /alerts")
            break
        lines.append(line)
        length += len(line) + 1
    return Parcel(
        notifications=tuple(backlog),
        html="\n".join([*lines, *_doubt(perhaps_repeated)]),
        acknowledge=acknowledge,
        is_silent=all(each.severity is Severity.INFO for each in backlog),
    )


def _batches(waiting: Iterable[Notification]) -> Iterable[list[Notification]]:
    batch: list[Notification] = []
    length = 0
    for each in waiting:
        size = len(in_words(each)) + 2
        if batch and length + size > _LONGEST_MESSAGE:
            yield batch
            batch, length = [], 0
        batch.append(each)
        length += size
    if batch:
        yield batch


def _doubt(perhaps_repeated: bool) -> list[str]:
    return ["<i>Perhaps told before: whether the last message arrived is not known.</i>"] if perhaps_repeated else []


def _shortened(text: str, most: int = _LONGEST_TEXT) -> str:
    return text if len(text) <= most else f"{text[: most - 3]}..."


def _clock(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"


def _rank(severity: Severity) -> int:
    return list(Severity).index(severity)
