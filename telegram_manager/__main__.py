"""`python -m telegram_manager`: the command centre on its own, as `alpha telegram` starts it; without a token of
Telegram's it keeps what was commanded elsewhere."""

from __future__ import annotations

import sys

from alpha.config.registry import Registry
from alpha.config.settings import Settings, environment
from alpha.config.telegram import load_telegram
from alpha.service.listed_symbols import listed_or_recorded
from alpha.service.process import run_service
from telegram_manager.main import main
from telegram_manager.without_telegram import run_without_telegram


def run(settings: Settings, registry: Registry) -> None:
    environ = environment()
    in_use = registry.in_use(environ)
    if load_telegram(environ, in_use) is None:
        run_without_telegram(settings, listed_or_recorded(settings, in_use), environ)
    else:
        main(settings, in_use)


if __name__ == "__main__":
    sys.exit(run_service("telegram_manager", run))
