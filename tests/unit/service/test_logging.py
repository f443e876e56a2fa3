from __future__ import annotations

import io
import json
import logging
import sys
import threading
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
import structlog

from alpha.config import load_settings
from alpha.service.logging import configure_logging


@pytest.fixture
def out() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    before = (root.handlers[:], root.level, sys.excepthook, threading.excepthook)
    stream = io.StringIO()
    configure_logging("listener", load_settings({}), stream=stream)
    yield stream
    root.handlers[:], root.level, sys.excepthook, threading.excepthook = before
    logging.captureWarnings(False)
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_says_service_time_severity_event_and_its_fields(out: io.StringIO) -> None:
    with structlog.contextvars.bound_contextvars(correlation_id="ss-en-abc"):
        structlog.get_logger("x").info("fill_stored", price=Decimal("0.10"), quantity="1")
    (line,) = lines(out)
    assert datetime.fromisoformat(line.pop("time")).utcoffset() is not None
    assert line == {
        "service": "listener",
        "severity": "info",
        "event": "fill_stored",
        "correlation_id": "ss-en-abc",
        "price": "0.10",
        "quantity": "1",
    }


def test_libraries_log_in_the_same_form(out: io.StringIO) -> None:
    logging.getLogger("some.library").warning("slow by %d ms", 5)
    logging.getLogger("websockets.client").info("chatter")
    (line,) = lines(out)
    assert (line["event"], line["message"], line["logger"]) == ("library_message", "slow by 5 ms", "some.library")


def test_secrets_are_hidden(out: io.StringIO) -> None:
    structlog.get_logger("x").info("request", api_key="k-1", X_BAPI_Signature="s-1", admin_token="t-1", path="/v5")
    text = out.getvalue()
    assert not any(secret in text for secret in ("k-1", "s-1", "t-1"))
    assert lines(out)[0]["path"] == "/v5"


def test_an_error_nobody_caught_is_one_line_with_its_traceback(out: io.StringIO) -> None:
    try:
        raise ValueError("broken")
    except ValueError as error:
        sys.excepthook(type(error), error, error.__traceback__)
    (line,) = lines(out)
    assert (line["event"], line["severity"]) == ("uncaught_error", "critical")
    assert "ValueError: broken" in line["exception"]


@pytest.mark.usefixtures("out")
def test_on_request_it_writes_for_a_reader() -> None:
    stream = io.StringIO()
    configure_logging("listener", load_settings({"LOG_FORMAT": "console", "LOG_LEVEL": "warning"}), stream=stream)
    structlog.get_logger("x").info("quiet")
    structlog.get_logger("x").warning("slow_commit", took_ms=7)
    assert "quiet" not in stream.getvalue()
    assert "slow_commit" in stream.getvalue()
    assert not stream.getvalue().startswith("{")
