from __future__ import annotations

import logging

from alpha.config.settings import Settings
from alpha.service import alerts
from alpha.service.logging import configure_logging


def log_failures_only(name: str, settings: Settings) -> None:
    """For a command whose answer tells what happened on the way: of the log only what failed. On the terminal an alert
    is left out, since what goes to others has not failed, however grave it is; one that reaches nobody is not."""
    configure_logging(name, settings.model_copy(update={"log_level": "error"}))
    for handler in logging.getLogger().handlers:
        if not isinstance(handler, logging.FileHandler):
            handler.addFilter(_is_not_an_alert)


def _is_not_an_alert(record: logging.LogRecord) -> bool:
    event = record.msg.get("event") if isinstance(record.msg, dict) else None
    return not (record.name == alerts.__name__ and event == alerts.ALERTED)
