"""Reads the tables and checks messages against them.

Beside its `shapes` (see `shapes.py`) a table holds `answers`: the shape of the result of "METHOD /path", or
`{result: shape, retExtInfo: shape}`; and what the socket of a path sends: `replies` by their `op` and `topics` by their
pattern. A topic whose frames differ by their `type` has a shape for each.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from paper_exchange.fields.checks import Check
from paper_exchange.fields.shapes import Shapes, TableUnusable

_FOLDER = Path(__file__).parent
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_ENUMS = "enums.yaml"
_TABLES = ("market.yaml", "trade.yaml", "position.yaml", "account.yaml", "streams.yaml")


class FieldTable:
    """Checks whole messages. What is wrong comes back as sentences; an empty list means that nothing is."""

    def __init__(self, enums: Mapping[str, list[Any]], tables: Iterable[Mapping[str, Any]]) -> None:
        """Raises TableUnusable."""
        tables = list(tables)
        self._shapes = Shapes(
            enums, {name: shape for table in tables for name, shape in table.get("shapes", {}).items()}
        )
        self._answers: dict[tuple[str, str], Check] = {}
        self._replies: dict[str, dict[str, Check]] = {}
        self._topics: dict[str, dict[str, Check | dict[str, Check]]] = {}
        self._patterns: dict[str, list[tuple[re.Pattern[str], str]]] = {}
        for table in tables:
            for called, shapes in table.get("answers", {}).items():
                method, path = called.split(" ")
                self._answers[method, path] = self._envelope(shapes)
            for path, replies in table.get("replies", {}).items():
                self._replies[path] = {op: self._shapes.check_of(shape) for op, shape in replies.items()}
            for path, topics in table.get("topics", {}).items():
                self._topics[path] = {topic: self._frames(shape) for topic, shape in topics.items()}
                self._patterns[path] = [(_pattern(topic), topic) for topic in topics]
        self._refusal = self._envelope("nothing")

    @property
    def answers(self) -> frozenset[tuple[str, str]]:
        """(method, path) of every answer."""
        return frozenset(self._answers)

    @property
    def topics(self) -> Mapping[str, frozenset[str]]:
        """The patterns of the topics of each socket's path."""
        return {path: frozenset(topics) for path, topics in self._topics.items()}

    def knows_topic(self, path: str, topic: str) -> bool:
        """Whether a topic, or the pattern of one, is in the table of a socket."""
        return self._topic_of(path, topic) is not None

    def check_answer(self, method: str, path: str, content: Any) -> list[str]:
        """A REST answer with its envelope."""
        refused = isinstance(content, dict) and content.get("retCode") != 0
        check = self._refusal if refused else self._answers.get((method, path))
        return _said(f"{method} {path}", check, content)

    def check_frame(self, path: str, content: Any) -> list[str]:
        """A frame that the socket of a path sent."""
        if path not in self._replies or not isinstance(content, dict):
            return [f"{path}: not in the table, or the frame is no object"]
        topic = content.get("topic")
        if isinstance(topic, str):
            return _said(topic, self._of_topic(path, topic, content.get("type")), content)
        op, replies = str(content.get("op")), self._replies[path]
        return _said(f"op {op}", replies.get(op, replies["other"]), content)

    def check_shape(self, shape: str, content: Any) -> list[str]:
        """A part of a message by the name of its shape. Raises TableUnusable for a name that does not exist."""
        return _said(shape, self._shapes.check_of(shape), content)

    def _of_topic(self, path: str, topic: str, kind: object) -> Check | None:
        found = self._topic_of(path, topic)
        return found.get(str(kind)) if isinstance(found, dict) else found

    def _topic_of(self, path: str, topic: str) -> Check | dict[str, Check] | None:
        """By its own name, else by the first pattern that it has."""
        shapes = self._topics[path]
        patterns = (name for pattern, name in self._patterns[path] if pattern.fullmatch(topic))
        return shapes.get(topic) or shapes.get(next(patterns, ""))

    def _frames(self, shape: Any) -> Check | dict[str, Check]:
        if isinstance(shape, dict):
            return {kind: self._shapes.check_of(name) for kind, name in shape.items()}
        return self._shapes.check_of(shape)

    def _envelope(self, given: Any) -> Check:
        parts = given if isinstance(given, dict) else {"result": given, "retExtInfo": "nothing"}
        return self._shapes.check_of({"retCode": "int", "retMsg": "text", **parts, "time": "int"})


def load_fields() -> FieldTable:
    """The tables of this package. Raises TableUnusable."""
    return FieldTable(_read(_ENUMS), [_read(name) for name in _TABLES])


def _said(name: str, check: Check | None, content: Any) -> list[str]:
    return [f"{name}: not in the table"] if check is None else [f"{name}{problem}" for problem in check(content)]


def _read(name: str) -> dict[str, Any]:
    content = yaml.load((_FOLDER / name).read_text(encoding="utf-8"), Loader=_LOADER)
    if not isinstance(content, dict):
        raise TableUnusable(f"{name} is not an object")
    return content


def _pattern(topic: str) -> re.Pattern[str]:
    """`kline.{interval}.{symbol}` as a pattern: what stands in braces is one part between points."""
    return re.compile(re.sub(r"\\\{\w+\\\}", "[^.]+", re.escape(topic)))
