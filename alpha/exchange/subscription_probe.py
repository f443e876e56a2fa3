"""Whether a server that sends nothing still knows our subscriptions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_PREFIX = "probe-"


@dataclass(slots=True)
class _Topic:
    name: str
    quiet_since_s: float
    asked_at_s: float = 0.0
    awaited: str | None = None
    """Id of the question that is not answered yet."""
    usual_answer: tuple[bool, str] | None = None
    """What the server said when the subscription was surely there."""


class SubscriptionProbe:
    """Asks for the topics of one connection again, each by itself, and compares the answers. No I/O.

    A private stream may be silent for hours because nothing happens, so silence proves nothing, and pongs come from a
    server that has forgotten its subscribers. What it answers to a second subscribe does tell: Bybit refuses it with
    `error:already subscribed,topic:...` (seen on public topics; for private ones it is not documented), other servers
    accept it. Which of them this is shows right after subscribing, when the truth is known: a later answer that differs
    from that first one means that the subscription had gone, and so does none at all. A server that accepts every time
    has subscribed us again, which ends the deafness; what was missed is found over REST.

    One topic a question, because one that is subscribed already refuses all topics of its request.
    """

    def __init__(self, topics: Sequence[str], *, every_s: float, answer_within_s: float, at_s: float) -> None:
        self._every_s, self._answer_within_s = every_s, answer_within_s
        self._topics = {topic: _Topic(topic, at_s) for topic in topics}
        self._asked = 0
        self._supported = True

    def due(self, at_s: float) -> list[tuple[str, str]]:
        """The questions to send now: id and topic. At first all topics, later those that were quiet for long."""
        if not self._supported:
            return []
        questions = []
        for topic in self._topics.values():
            quiet_s = at_s - max(topic.quiet_since_s, topic.asked_at_s)
            if topic.awaited is not None or (topic.usual_answer is not None and quiet_s < self._every_s):
                continue
            self._asked += 1
            topic.awaited, topic.asked_at_s = f"{_PREFIX}{self._asked}", at_s
            questions.append((topic.awaited, topic.name))
        return questions

    def heard(self, topic: str, at_s: float) -> None:
        """A frame of this topic came: it is subscribed."""
        if (known := self._topics.get(topic)) is not None:
            known.quiet_since_s = at_s

    def answered(self, frame: Mapping[str, Any]) -> str | None:
        """Takes an answer to a question of ours. What is wrong, "" when nothing is, None when it is no such answer."""
        request_id = frame.get("req_id")
        if not isinstance(request_id, str) or not request_id.startswith(_PREFIX):
            return None
        topic = next((topic for topic in self._topics.values() if topic.awaited == request_id), None)
        if topic is None:
            return ""
        topic.awaited = None
        answer = (bool(frame.get("success")), str(frame.get("ret_msg", "")))
        if topic.usual_answer is None:
            topic.usual_answer = answer
        if answer == topic.usual_answer:
            return ""
        return f"the subscription of {topic.name} had gone: asked again, the server said {answer[1] or 'yes'!r}"

    def overdue(self, at_s: float) -> str:
        """What is wrong when an answer did not come in time; else "". A server that never answered such a question is
        not asked again."""
        for topic in self._topics.values():
            if topic.awaited is None or at_s - topic.asked_at_s < self._answer_within_s:
                continue
            if topic.usual_answer is not None:
                return f"the subscription of {topic.name} was not confirmed within {self._answer_within_s:.1f} s"
            self._supported = False
        return ""
