"""Whether there is room for a backup, asked before it is begun: a full disk would stop the ledger itself."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from database.backup.errors import BackupFailed
from database.backup.manifest import Backup

_DUMP_GROWTH = 1.5
"""A dump may be so many times as large as the last one."""
_DATABASE_GROWTH = 1.1
"""A restored database may be so many times as large as what it is a copy of, which has dead rows besides."""
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

    def with_more(self, other: Room) -> Room:
        """Needed on the same disk for that as well."""
        return replace(self, needed=self.needed + other.needed, purposes=self.purposes + other.purposes)

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Disk:
    """What a folder is on. `blocks` and `unused` count blocks of the disk, `free` the bytes that a user without
    privileges may still write."""

    device: int
    blocks: int
    unused: int
    free: int

    def is_same(self, other: Disk) -> bool:
        """A container's own file system has another device number than the disk below it, and the figures of that."""
        return self.device == other.device or (self.blocks, self.unused) == (other.blocks, other.unused)


def disk_of(place: Path) -> Disk:
    """The disk of a folder. Raises OSError."""
    found = os.statvfs(place)
    return Disk(
        device=place.stat().st_dev,
        blocks=found.f_blocks,
        unused=found.f_bfree,
        free=found.f_bavail * found.f_frsize,
    )


def rooms_for(
    *,
    folder: Path,
    last: Backup | None,
    encrypts: bool,
    server_folder: Path | None,
    database_size: int,
    disk_of: Callable[[Path], Disk] = disk_of,
) -> list[Room]:
    """The disks that a backup is written to, with what it needs there.

    In `folder` a dump as large as the last one, twice when it is encrypted: both lie there for a moment; nothing is
    known of the first one. On the disk of the server, where `server_folder` names it, a database of `database_size`
    for as long as the dump is tried. Raises BackupFailed when a folder cannot be looked at.
    """
    wanted: list[tuple[Path, float, str]] = []
    if last is not None:
        wanted.append((folder, last.size * (2 if encrypts else 1) * _DUMP_GROWTH, "the dump"))
    if server_folder is not None:
        wanted.append((server_folder, database_size * _DATABASE_GROWTH, "the database it is tried in"))
    rooms: list[tuple[Disk, Room]] = []
    for place, size, purpose in wanted:
        try:
            disk = disk_of(place)
        except OSError as error:
            raise BackupFailed(f"cannot see how much space is free: {error}") from error
        room = Room(place=place, free=disk.free, needed=round(size), purposes=(purpose,))
        for index, (other, shared) in enumerate(rooms):
            if disk.is_same(other):
                rooms[index] = other, shared.with_more(room)
                break
        else:
            rooms.append((disk, room))
    return [room for _, room in rooms]


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
