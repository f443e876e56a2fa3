"""How much room a backup is said to need, and what is said of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from database.backup.errors import BackupFailed
from database.backup.figures import Figures
from database.backup.manifest import Backup
from database.backup.space import Disk, Room, check_space, rooms_for

AT = datetime(2026, 3, 1, 2, 0, tzinfo=UTC)
LAST = Backup(
    file="trading_db-20260301T020000Z.dump",
    database="trading_db",
    ledger="ledger",
    taken_at=AT,
    verified_at=AT,
    server_major=17,
    schema_version=1,
    size=1_000,
    sha256="",
    recipients=(),
    figures=Figures(rows={}, sums={}),
)


def a_disk(folder: Path, *, device: int = 1, unused: int = 300) -> Disk:
    folder.stat()
    return Disk(device=device, blocks=1_000, unused=unused, free=20_000)


def rooms(
    folder: Path,
    *,
    last: Backup | None,
    encrypts: bool = False,
    server: Path | None = None,
    disk_of: Callable[[Path], Disk] = a_disk,
) -> list[Room]:
    return rooms_for(
        folder=folder,
        last=last,
        encrypts=encrypts,
        server_folder=server,
        database_size=10_000,
        disk_of=disk_of,
    )


def test_a_dump_needs_half_as_much_again_as_the_last_one_and_an_encrypted_one_twice_that(tmp_path: Path) -> None:
    (plain,) = rooms(tmp_path, last=LAST)
    (sealed,) = rooms(tmp_path, last=LAST, encrypts=True)
    assert (plain.needed, sealed.needed) == (1_500, 3_000)
    assert rooms(tmp_path, last=None) == []


def test_what_lies_on_one_disk_has_to_fit_together(tmp_path: Path) -> None:
    (room,) = rooms(tmp_path, last=LAST, server=tmp_path)
    assert room.needed == 1_500 + 11_000
    assert room.is_enough
    assert not room.is_ample


def test_a_trial_needs_the_size_of_the_database_and_a_tenth(tmp_path: Path) -> None:
    (room,) = rooms(tmp_path, last=None, server=tmp_path)
    assert room.needed == 11_000
    assert room.purposes == ("the database it is tried in",)


@pytest.mark.parametrize(("unused", "needed"), [(300, [12_500]), (299, [1_500, 11_000])], ids=["one disk", "two disks"])
def test_a_disk_seen_through_a_container_is_known_by_its_figures(
    tmp_path: Path, unused: int, needed: list[int]
) -> None:
    overlay = tmp_path / "overlay"
    overlay.mkdir()

    found = rooms(
        tmp_path,
        last=LAST,
        server=overlay,
        disk_of=lambda folder: a_disk(folder, device=2, unused=unused) if folder == overlay else a_disk(folder),
    )

    assert [room.needed for room in found] == needed


def test_a_disk_that_is_too_small_is_named_with_both_figures(tmp_path: Path) -> None:
    (room,) = rooms(tmp_path, last=replace(LAST, size=4_000_000_000))
    with pytest.raises(BackupFailed) as refused:
        check_space([room])
    assert str(refused.value) == f"too little space: {tmp_path} has 20.0 kB free, and the dump may need 6.0 GB"


def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(BackupFailed, match="cannot see how much space is free"):
        rooms(tmp_path, last=LAST, server=tmp_path / "gone")
