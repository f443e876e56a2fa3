"""How `python -m <service>` begins and ends: settings, log, and one line for what keeps it from running."""

from __future__ import annotations

import sys
from collections.abc import Callable

import structlog

from alpha.config import Registry, Settings, load_registry, load_settings
from alpha.domain.errors import AlphaError
from alpha.service.exit_codes import exit_code
from alpha.service.logging import configure_logging

log = structlog.get_logger()


def run_service(name: str, run: Callable[[Settings, Registry], None]) -> int:
    """Runs a service until it ends; returns its exit code. An error of ours is one line in the log, no traceback."""
    try:
        settings = load_settings()
        configure_logging(name, settings)
        run(settings, load_registry(settings.alpha_bots_file))
    except AlphaError as error:
        if not structlog.is_configured():
            sys.stderr.write(f"{name}: {error}\n")
        else:
            log.error("service_ended", reason=" ".join(str(error).split()))
        return exit_code(error)
    return 0
