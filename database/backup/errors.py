from __future__ import annotations

from alpha.domain.errors import AlphaError, Misconfigured


class BackupFailed(AlphaError):
    """No backup was made, or one cannot be used. Backups that were there stay as they are."""


class BackupBusy(BackupFailed):
    """Another backup into the same folder is running. Nothing is wrong."""


class BackupGivenUp(BackupFailed):
    """The process that made it was asked to end. Nothing is wrong: the next one makes it."""


class DraftKept(BackupFailed):
    """A database is whole, but could not be given its name. It is left under the passing one, which the text says."""


class ProgramsMissing(BackupFailed, Misconfigured):
    """There is no pg_dump and pg_restore of the server's major version."""


class BackupMisconfigured(Misconfigured):
    """A setting of the backups cannot be meant."""
