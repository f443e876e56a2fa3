"""`alpha backup`: a backup now, restored before it counts; a list of those there are; a key pair for them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from alpha.commands.shape import example, one_line

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from alpha.config.backups import BackupSettings
    from database.backup.manifest import Backup


@click.command(
    epilog=example(
        "alpha backup",
        "alpha backup --list --json",
        "alpha backup --check",
        "alpha backup --new-key /media/stick/alpha.key",
    )
)
@click.option(
    "--to",
    type=click.Path(file_okay=False, path_type=Path),
    default=None,
    help="The folder.  [default: BACKUP_FOLDER, else database/backups/postgres]",
)
@click.option("--list", "listed", is_flag=True, help="Only list the backups that there are.")
@click.option("--check", "checked", is_flag=True, help="Only read every backup again and compare it with its checksum.")
@click.option(
    "--new-key",
    type=click.Path(dir_okay=False, path_type=Path),
    default=None,
    help="Only make a key pair: the secret key into this file, the public one for BACKUP_RECIPIENTS is printed.",
)
@click.option("--json", "as_json", is_flag=True, help="As one JSON object.")
@one_line
def backup(to: Path | None, listed: bool, checked: bool, new_key: Path | None, as_json: bool) -> int:
    """Backs the database up: dump, restore into a scratch database, compare rows and money, and only then keep.

    The same as the daily backup does: encrypted where BACKUP_RECIPIENTS names public keys, copied where BACKUP_COPY_TO
    names a second place, and thinned out to 30 days, 12 weeks and 12 months. Exit code 1 when no backup was made, and
    with --check when one is damaged.
    """
    from dataclasses import replace

    from alpha.config.backups import load_backup_settings
    from alpha.config.settings import environment

    if new_key is not None:
        from database.backup.encryption import new_identity

        public = new_identity(new_key)
        click.echo(json.dumps({"recipient": public}) if as_json else public)
        click.echo(f"alpha: keep {new_key} away from this machine: only it opens the backups", err=True)
        return 0
    settings = load_backup_settings(environment())
    if to is not None:
        settings = replace(settings, folder=to)
    if checked:
        return _check(settings, as_json)
    return _list(settings, as_json) if listed else _back_up(settings, as_json)


def _list(settings: BackupSettings, as_json: bool) -> int:
    from database.backup.manifest import list_backups
    from database.backup.marks import damaged_files

    _show(settings, list_backups(settings.folder), damaged_files(settings.folder), as_json)
    return 0


def _check(settings: BackupSettings, as_json: bool) -> int:
    from rich.console import Console

    from alpha.commands.shape import FAILED
    from database.backup.inspection import inspect
    from database.backup.manifest import list_backups
    from database.backup.marks import damaged_files

    backups = list_backups(settings.folder)
    found = {}
    with Console(stderr=True).status("reading") as status:
        for number, each in enumerate(backups, 1):
            status.update(f"reading {each.file} ({number} of {len(backups)})")
            if wrong := inspect(settings.folder, each):
                found[each.file] = wrong
    # What was found counts also where it could not be noted.
    damaged = {**damaged_files(settings.folder), **found}
    _show(settings, backups, damaged, as_json)
    return FAILED if damaged else 0


def _show(settings: BackupSettings, backups: Sequence[Backup], damaged: Mapping[str, str], as_json: bool) -> None:
    if as_json:
        said = {"folder": str(settings.folder), "backups": [each.to_json() for each in backups], "damaged": {**damaged}}
        click.echo(json.dumps(said))
        return
    if not backups:
        click.echo(f"no backups in {settings.folder}")
    for each in backups:
        click.echo(f"{_line(each)}{', DAMAGED' if each.file in damaged else ''}")
    _tell_damaged(damaged)


def _tell_damaged(damaged: Mapping[str, str]) -> None:
    for text in damaged.values():
        click.echo(f"alpha: this backup does not count any more: {text}", err=True)


def _back_up(settings: BackupSettings, as_json: bool) -> int:
    from contextlib import closing

    from rich.console import Console

    from alpha.commands.interruption import Interruption
    from alpha.commands.terminal_log import log_failures_only
    from alpha.ledger.alerts import Severity
    from alpha.local.attach import settings_of
    from alpha.local.binaries import packaged_postgres
    from alpha.service.alerts import AlertWriter
    from database.backup.job import back_up

    platform, _ = settings_of("owner")
    log_failures_only("backup", platform)
    console = Console(stderr=True)

    def tell(kind: str, text: str, *, severity: Severity) -> None:
        alerts.alert(kind, text, severity=severity)
        # What is critical is why no backup was made, which the command ends with.
        if severity is not Severity.CRITICAL:
            click.echo(f"alpha: {text}", err=True)

    with (
        Interruption("what `alpha backup --list` does not show was not made, and nothing is left of it"),
        closing(AlertWriter(platform.dsn(), None, "backup")) as alerts,
        console.status("connecting") as status,
    ):
        done = back_up(
            platform.dsn(),
            settings,
            tell=tell,
            programs=packaged_postgres(),
            on_step=lambda step: status.update(step),
        )
    if as_json:
        said = {
            "backup": done.backup.to_json(),
            "folder": str(settings.folder),
            "seconds": round(done.seconds, 1),
            "copied_to": done.copied_to or None,
            "removed": [each.file for each in done.removed],
            "damaged": {**done.damaged},
        }
        click.echo(json.dumps(said))
        return 0
    click.echo(f"{_line(done.backup)}, in {done.seconds:.1f} s")
    click.echo(f"  {settings.folder / done.backup.file}")
    if done.copied_to:
        click.echo(f"  copied to {done.copied_to}")
    if done.removed:
        click.echo(f"  {len(done.removed)} old ones deleted")
    _tell_damaged(done.damaged)
    return 0


def _line(backup: Backup) -> str:
    sealed = ", encrypted" if backup.encrypted else ""
    fills = backup.figures.rows.get("fills", 0)
    return (
        f"{backup.taken_at:%Y-%m-%d %H:%M:%S} UTC  {backup.file}  {backup.size / 1e6:.1f} MB{sealed}, "
        f"{fills} fills, restored and equal, ledger {backup.ledger[:8]}"
    )
