"""Where a server run by another user keeps its data."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path

from alpha.config.errors import ConfigError
from alpha.local.binaries import SHARED_CACHE
from alpha.local.errors import StartFailed
from alpha.local.service_user import ServiceUser


def prepare_home(home: Path, user: ServiceUser | None) -> Path:
    """Makes the home directory of a platform: private, but passable for the user that its servers run as.

    Raises ConfigError when it cannot be made or written to.
    """
    home = home.absolute()
    try:
        home.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"cannot keep data in {home} ({error.strerror}): set ALPHA_HOME to a directory that you can write to"
        ) from error
    if not os.access(home, os.W_OK | os.X_OK):
        raise ConfigError(f"cannot write to {home}: set ALPHA_HOME to a directory that you can write to")
    if home.stat().st_uid == os.geteuid():
        home.chmod(0o700 if user is None else 0o711)
    return home


def server_directory(home: Path, name: str, user: ServiceUser | None) -> Path:
    """A directory for a server's files, made if missing, mode 0700, owned by the user that the server runs as.

    It is `home/name`, unless the user cannot get there; then it is below /var/tmp under a name made from the path,
    so that the next start finds it again. Raises StartFailed when somebody else owns that name.
    """
    home = prepare_home(home, user)
    if user is None or user.can_enter(home):
        directory = home / name
    else:
        place = hashlib.sha256(os.fsencode(home)).hexdigest()[:16]
        parent = SHARED_CACHE / f"alpha-data-{user.name}-{place}"
        _make(parent, 0o711, None)
        directory = parent / name
    _make(directory, 0o700, user)
    return directory


def remove_server_directory(directory: Path) -> None:
    """Removes what `server_directory` made, and its parent below /var/tmp when that is empty then."""
    shutil.rmtree(directory, ignore_errors=True)
    if directory.parent.parent == SHARED_CACHE and not any(directory.parent.iterdir()):
        directory.parent.rmdir()


def _make(directory: Path, mode: int, user: ServiceUser | None) -> None:
    ours = os.geteuid()
    directory.mkdir(mode=mode, exist_ok=True)
    found = directory.lstat()
    if directory.is_symlink() or found.st_uid not in (ours, ours if user is None else user.uid):
        raise StartFailed(f"{directory} belongs to somebody else (uid {found.st_uid}); remove it and start again")
    if found.st_uid == ours:
        directory.chmod(mode)
        if user is not None:
            user.own(directory)
