"""Which platform a command means: the one running in ALPHA_HOME, else the one that the environment describes."""

from __future__ import annotations

from pathlib import Path

from alpha.config.registry import Registry, load_registry
from alpha.config.settings import Settings, environment, load_settings
from alpha.local.errors import NotRunning
from alpha.local.run_file import RunFile, attach

DEMO_DIRECTORY = "demo"
"""Where below ALPHA_HOME a demo keeps its data, apart from those of `alpha up`."""


def running_platform(home: Path) -> RunFile:
    """The platform that runs in this home, or else the demo that does. Raises NotRunning."""
    try:
        return attach(home)
    except NotRunning as none:
        try:
            return attach(home / DEMO_DIRECTORY)
        except NotRunning:
            raise none from None


def environment_of(role: str) -> dict[str, str]:
    """The environment of a role (owner, listener, bot, reader, commander) in the platform that runs here.

    Without one it is this process's own, for a platform run in another way, where the login decides what is allowed.
    """
    own = environment()
    home = load_settings(own).alpha_home
    try:
        running = running_platform(home)
    except NotRunning:
        if not own.get("POSTGRES_PASSWORD"):
            raise
        return own
    if role not in running.env:
        raise NotRunning(f"the platform in {home} is still starting: try again in a moment")
    return own | dict(running.env[role])


def settings_of(role: str) -> tuple[Settings, Registry]:
    """Settings, and the registry of the accounts that have a key, in a role of the platform that runs here, or of the
    environment's. Raises NotRunning."""
    environ = environment_of(role)
    settings = load_settings(environ)
    registry = load_registry(settings.alpha_bots_file).in_use(environ)
    if registry.trades_all:
        # What asks an exchange costs a third of a second of every start, which most need not pay.
        from alpha.service.listed_symbols import listed_or_recorded

        registry = listed_or_recorded(settings, registry)
    return settings, registry
