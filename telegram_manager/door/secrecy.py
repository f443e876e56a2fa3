"""Tokens are part of every address of the Bot API, so libraries put them into log lines and error texts."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable

from alpha.config.telegram import TOKEN

HIDDEN = "(hidden)"
# Libraries that log each request with its address.
_TALKATIVE = ("httpx", "httpcore", "telegram", "apscheduler")


def hide_tokens(tokens: Iterable[str]) -> None:
    """From now on no line of the log shows a token, these or any that looks like one. After `configure_logging`."""
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)
    hiding = Hiding(tokens)
    for handler in logging.getLogger().handlers:
        handler.setFormatter(_HidingFormatter(handler.formatter or logging.Formatter(), hiding))


class Hiding:
    """Replaces tokens in a text, also where they are written as in an address."""

    def __init__(self, tokens: Iterable[str]) -> None:
        known = sorted({form for token in tokens if token for form in (token, token.replace(":", "%3A"))}, key=len)
        self._pattern = re.compile(
            "|".join([*map(re.escape, reversed(known)), TOKEN.pattern.replace(":", "(?::|%3A)")])
        )

    def __call__(self, text: str) -> str:
        return self._pattern.sub(HIDDEN, text)


class _HidingFormatter(logging.Formatter):
    """The formatter it stands before, with its finished line, traceback included, gone through once more."""

    def __init__(self, inner: logging.Formatter, hiding: Hiding) -> None:
        super().__init__()
        self._inner, self._hiding = inner, hiding

    def format(self, record: logging.LogRecord) -> str:
        return self._hiding(self._inner.format(record))
