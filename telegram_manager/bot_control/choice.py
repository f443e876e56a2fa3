"""Which way bots are run here."""

from __future__ import annotations

from collections.abc import Mapping

from alpha.config.errors import ConfigError
from alpha.config.registry import Registry
from alpha.config.settings import Settings
from telegram_manager.bot_control.interface import BotControl
from telegram_manager.bot_control.local import LocalControl

DOCKER_URL = "DOCKER_PROXY_URL"
"""Names our Docker proxy, `http://docker_proxy:2375`; unset, the bots are children of the `alpha up` in ALPHA_HOME."""


def bot_control(settings: Settings, registry: Registry, environ: Mapping[str, str]) -> BotControl:
    """Raises ConfigError."""
    url = environ.get(DOCKER_URL, "").strip()
    if not url:
        return LocalControl(settings.alpha_home.absolute(), registry.bots)
    if not url.startswith(("http://", "tcp://")):
        raise ConfigError(f"{DOCKER_URL} must be http://host:port of the Docker proxy, never the engine's own socket")
    # Its library takes a good part of a second to import, and only a platform in containers needs it.
    from telegram_manager.bot_control.docker import DockerControl

    return DockerControl(url, registry.bots)
