"""The unprivileged user that the embedded servers run as when we are root (PostgreSQL refuses to run as root)."""

from __future__ import annotations

import os
import pwd
import subprocess
from dataclasses import dataclass
from pathlib import Path

from alpha.local.errors import ServerNotFound

_CANDIDATES = ("postgres", "nobody")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceUser:
    """A user of this machine that servers run as."""

    name: str
    uid: int
    gid: int

    def can_enter(self, directory: Path) -> bool:
        """Whether this user can reach into the directory: every directory above must let it pass."""
        # Asked of the kernel rather than computed from mode bits, which do not tell about access lists.
        return self._runs(["/bin/sh", "-c", 'cd -- "$1"', "sh", str(directory)])

    def can_run(self, program: Path) -> bool:
        """Whether this user can execute the program (asked with `--version`)."""
        return self._runs([str(program), "--version"])

    def own(self, path: Path) -> None:
        """Makes a file or directory this user's."""
        os.chown(path, self.uid, self.gid)

    def _runs(self, argv: list[str]) -> bool:
        try:
            finished = subprocess.run(
                argv,
                cwd="/",
                env={"PATH": os.defpath},
                user=self.uid,
                group=self.gid,
                extra_groups=[],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                timeout=20,
                check=False,
            )
        except (PermissionError, FileNotFoundError):
            return False
        return finished.returncode == 0


def service_user() -> ServiceUser | None:
    """The user to run servers as, None when we are not root and servers run as ourselves.

    Raises ServerNotFound when we are root and the machine has no unprivileged user to use.
    """
    if os.geteuid() != 0:
        return None
    for name in _CANDIDATES:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        if entry.pw_uid != 0:
            return ServiceUser(name=name, uid=entry.pw_uid, gid=entry.pw_gid)
    raise ServerNotFound(
        "running as root and there is no user postgres or nobody to run PostgreSQL as; run as a normal user"
    )
