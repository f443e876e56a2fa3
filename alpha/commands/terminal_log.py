from __future__ import annotations

import logging

from alpha.config.settings import Settings
from alpha.service.logging import configure_logging


def log_failures_only(name: str, settings: Settings) -> None:
    """For a command whose answer tells what happened on the way: of the log only what failed. What goes to others as an
    alert has not failed, however grave it is."""
    configure_logging(name, settings.model_copy(update={"log_level": "error"}))
    logging.getLogger("alpha.service.alerts").setLevel(logging.CRITICAL)
