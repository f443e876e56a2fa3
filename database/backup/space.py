"""Whether there is room for a backup, asked before it is begun: a full disk would stop the ledger itself."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from database.backup.errors import BackupFailed
from database.backup.manifest import Backup

_GROWTH = 1.5
"""A dump, and the database restored from it, may be so many times as large as what is known of them."""
_AMPLE = 3.0
"""Less than so many times what is needed is worth telling before it is too little."""
_UNITS = ((1e9, "GB"), (1e6, "MB"), (1e3, "kB"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """On one disk, in bytes. `purposes` says what the space is needed for."""

    place: Path
    free: int
    needed: int
    purposes: tuple[str, ...]

    @property
    def is_enough(self) -> bool:
        return self.free >= self.needed

    @property
    def is_ample(self) -> bool:
        return self.free >= _AMPLE * self.needed

    def __str__(self) -> str:
        return (
            f"{self.place} has {_size(self.free)} free, and {' and '.join(self.purposes)} may need {_size(self.needed)}"
        )


def free_bytes(place: Path) -> int:
    """What a user without privileges may still write on the disk of `place`. Raises OSError."""
    found = os.statvfs(place)
    return found.f_bavail * found.f_frsize


def rooms_for(
    *,
    folder: Path,
    last: Backup | None,
    encrypts: bool,
    server_folder: Path | None,
    database_size: int,
    free_of: Callable[[Path], int] = free_bytes,
) -> list[Room]:
    """The disks that a backup is written to, with what it needs there.

    In `folder` a dump as large as the last one, twice when it is encrypted: both lie there for a moment; nothing is
    known of the first one. On the disk of the server, where `server_folder` names it, a database of `database_size`
    for as long as the dump is tried. Raises BackupFailed when a folder cannot be looked at.
    """
    wanted: list[tuple[Path, float, str]] = []
    if last is not None:
        wanted.append((folder, last.size * (2 if encrypts else 1) * _GROWTH, "the dump"))
    if server_folder is not None:
        wanted.append((server_folder, database_size * _GROWTH, "the database it is tried in"))
    disks: dict[int, list[tuple[Path, float, str]]] = {}
    try:
        for each in wanted:
            disks.setdefault(each[0].stat().st_dev, []).append(each)
        return [
            Room(
                place=parts[0][0],
                free=free_of(parts[0][0]),
                needed=round(sum(size for _, size, _ in parts)),
                purposes=tuple(purpose for _, _, purpose in parts),
            )
            for parts in disks.values()
        ]
    except OSError as error:
        raise BackupFailed(f"cannot see how much space is free: {error}") from error


def check_space(rooms: Sequence[Room]) -> None:
    """Raises BackupFailed when there is too little anywhere."""
    short = [room for room in rooms if not room.is_enough]
    if short:
        raise BackupFailed(f"too little space: {'; '.join(map(str, short))}")


def _size(count: float) -> str:
    for unit, name in _UNITS:
        if count >= unit:
            return f"{count / unit:.1f} {name}"
    return f"{count:.0f} bytes"
