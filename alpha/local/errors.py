"""What can go wrong when processes are started on this machine."""

from __future__ import annotations

from alpha.domain.errors import AlphaError, Misconfigured, Unreachable


class LocalError(AlphaError):
    """Root of the errors of running the platform locally."""


class ServerNotFound(LocalError, Misconfigured):
    """No program to run PostgreSQL or Valkey with."""


class StartFailed(LocalError):
    """A process ended or stayed silent instead of becoming ready."""


class AlreadyRunning(LocalError, Misconfigured):
    """Another supervisor holds this home directory."""


class NotRunning(LocalError, Unreachable):
    """A command needs a running platform and there is none."""


class StartInterrupted(LocalError):
    """The start was given up because the user asked to stop."""


class ServerUnreachable(LocalError, Unreachable):
    """A server that a command needs does not answer."""
