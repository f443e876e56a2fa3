from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from alpha.bot.result import LimitStanding
from alpha.ledger.backups import BackupRow
from telegram_manager.seeing.facts import DiskStanding
from telegram_manager.seeing.problems import backup_problems, disk_problems, is_halted
from tests.unit.seeing.platforms import NOW, bot


def backup(*, hours: int, ok: bool = True, detail: str = "") -> BackupRow:
    return BackupRow(taken_at=NOW - timedelta(hours=hours), file="a.dump", ok=ok, detail=detail)


def test_a_platform_that_is_never_backed_up_is_not_asked() -> None:
    assert backup_problems(None, None, NOW) == []


def test_a_young_verified_backup_is_well() -> None:
    assert backup_problems(backup(hours=25), backup(hours=25), NOW) == []


def test_an_old_backup_is_due() -> None:
    (said,) = backup_problems(backup(hours=27), backup(hours=27), NOW)
    assert said == "a backup is due: the newest is of 2026-11-20 07:45 UTC"


def test_a_failed_backup_is_told_and_none_verified_too() -> None:
    said = backup_problems(None, backup(hours=1, ok=False, detail="disk full"), NOW)
    assert said == ["the last backup failed: disk full", "a backup is due: none has been verified"]


def test_a_disk_is_nearly_full_below_five_percent() -> None:
    assert disk_problems(DiskStanding(total=100, free=5)) == disk_problems(None) == []
    assert disk_problems(DiskStanding(total=1000, free=49))[0].startswith("the disk is nearly full: 4.9 % free")


def test_a_bot_is_halted_by_its_drawdown_and_by_no_other_limit() -> None:
    def limit(name: str, *, reached: bool) -> LimitStanding:
        return LimitStanding(name=name, value=Decimal(1), bound=Decimal(1), reached=reached)

    assert is_halted(bot(limits=[limit("drawdown_halt_percent", reached=True)]))
    assert not is_halted(bot(limits=[limit("drawdown_halt_percent", reached=False)]))
    assert not is_halted(bot(limits=[limit("daily_loss_percent", reached=True)]))
