"""Configuration: settings from the environment, accounts and bots from bots.yaml."""

from alpha.config.addresses import endpoints
from alpha.config.credentials import Credentials, credentials
from alpha.config.errors import ConfigError
from alpha.config.modes import Mode, check_uid
from alpha.config.registry import AccountConfig, BotConfig, Registry, load_registry
from alpha.config.settings import Settings, environment, load_settings

__all__ = [
    "AccountConfig",
    "BotConfig",
    "ConfigError",
    "Credentials",
    "Mode",
    "Registry",
    "Settings",
    "check_uid",
    "credentials",
    "endpoints",
    "environment",
    "load_registry",
    "load_settings",
]
