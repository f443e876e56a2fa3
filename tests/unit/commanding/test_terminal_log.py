"""What a command in a terminal says of the log beside its answer."""

from __future__ import annotations

import io
import json
import logging
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from alpha.commands.terminal_log import log_failures_only
from alpha.config import load_settings
from alpha.ledger.connection import Dsn
from alpha.local.ports import free_port
from alpha.service.alerts import AlertWriter


@pytest.fixture
def terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    root = logging.getLogger()
    before = (root.handlers[:], root.level, sys.excepthook, threading.excepthook)
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    log_failures_only("cli", load_settings({"LOG_FOLDER": str(tmp_path), "LOG_FORMAT": "json"}))
    ours = root.handlers[:]
    yield stream
    for handler in ours:
        handler.close()
    root.handlers[:], root.level, sys.excepthook, threading.excepthook = before
    logging.captureWarnings(False)
    structlog.reset_defaults()


def events(text: str) -> list[str]:
    return [json.loads(line)["event"] for line in text.splitlines()]


def test_an_alert_that_nobody_gets_is_said_and_one_that_is_on_its_way_is_not(
    terminal: io.StringIO, tmp_path: Path
) -> None:
    nowhere = Dsn(host="127.0.0.1", port=free_port(), dbname="none", user="nobody", password="")
    writer = AlertWriter(nowhere, None, "cli")
    writer.alert("kill_unproven", "canary is not flat", severity="critical")
    assert terminal.getvalue() == ""
    writer.close(0.05)
    structlog.get_logger("telegram_manager.commanding.kill_run").error("kill_failed")
    assert events(terminal.getvalue()) == ["alert_lost", "kill_failed"]
    assert "canary is not flat" in terminal.getvalue()
    assert events((tmp_path / "cli.log").read_text()) == ["alert", "alert_lost", "kill_failed"]
