"""`alpha up`: the platform until it is told to stop."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path

from alpha.config.registry import Registry
from alpha.config.settings import Settings, environment, load_settings
from alpha.domain.ids import BotId
from alpha.local.environments import telegram_environment
from alpha.local.errors import StartInterrupted
from alpha.local.kept import KeptRun
from alpha.local.platform import Platform, PlatformOptions
from alpha.local.supervised import Change, ProcessEvent
from alpha.service.logging import configure_logging
from alpha.service.shutdown import StopSignal
from telegram_manager.commanding.desk import Desk
from telegram_manager.commanding.keeper import Keeper

_TICK_S = 0.1
_STATE = "paper-exchange"


def run_until_stopped(
    settings: Settings,
    registry: Registry,
    *,
    bots: tuple[BotId, ...],
    speed: float,
    candles: Path | None,
    seed: int,
    standby: bool = False,
) -> int:
    """Runs these bots in `settings.alpha_home` until SIGTERM or Ctrl-C. Returns the exit code."""
    home = settings.alpha_home.absolute()
    options = PlatformOptions(
        bots=bots,
        speed=speed,
        candles=candles,
        seed=seed,
        standby=standby,
        journal=home / "paper-journal.jsonl",
        state=home / _STATE,
        telegram=telegram_environment(environment()),
    )
    stop = StopSignal().install()
    configure_logging("supervisor", settings)
    platform = Platform(home, registry, options, settings=settings, interrupted=stop.is_set, on_progress=_say)
    keeping = contextlib.ExitStack()
    try:
        platform.start()
        KeptRun(
            mode=settings.alpha_mode,
            state=_STATE if platform.is_paper else None,
            seed=seed,
            candles=None if candles is None else str(candles.absolute()),
        ).write(home, registry)
        if not options.telegram:
            keeping.enter_context(_kept_kills(platform))
        _say(f"running {len(bots)} bots in {home}; `alpha status` in another terminal shows them; Ctrl-C stops")
        while not stop.wait(_TICK_S):
            for event in platform.tick():
                _tell(event)
    except StartInterrupted:
        pass
    finally:
        keeping.close()
        platform.stop()
    _say("stopped")
    return 0


@contextlib.contextmanager
def _kept_kills(platform: Platform) -> Iterator[None]:
    """Where no command centre runs, kills that were ordered in a terminal are kept by the supervisor."""
    environ = platform.env("commander")
    desk = Desk.open(load_settings(environ), platform.registry, environ)
    keeper = Keeper(desk).start()
    try:
        yield
    finally:
        keeper.stop()
        desk.close()


def _say(words: str) -> None:
    print(f"alpha: {words}", file=sys.stderr, flush=True)


def _tell(event: ProcessEvent) -> None:
    match event.change:
        case Change.DIED:
            _say(f"{event.name} ended with code {event.exit_code}; starting it again")
        case Change.GAVE_UP:
            _say(f"{event.name} cannot run as configured: {event.words}")
        case Change.STARTED | Change.STOPPED:
            _say(f"{event.name} {event.change}")
