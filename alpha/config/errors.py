"""What is wrong with the configuration, in one line that names the value and the fix."""

from __future__ import annotations

from alpha.domain.errors import Misconfigured


class ConfigError(Misconfigured):
    """The environment or bots.yaml cannot be used. Nothing was started."""
