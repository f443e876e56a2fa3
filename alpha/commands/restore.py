"""`alpha restore`: a backup becomes a database again, is brought up to date and proven, and takes over when told to."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from alpha.commands.shape import FAILED, UNREACHABLE, example, one_line

if TYPE_CHECKING:
    from alpha.config import Registry, Settings
    from alpha.ledger.connection import Dsn
    from alpha.live.connection import RedisAddress
    from alpha.local.restored_ledger import Gap
    from alpha.verify import VerifyReport
    from database.backup.manifest import Backup


@click.command(
    epilog=example(
        "alpha restore database/backups/postgres/trading_db-20260301T020000Z.dump",
        "alpha restore --at 2026-03-01T12:00 --identity /media/stick/alpha.key",
        "alpha restore --switch-to trading_db_restored_20260301_020000",
    )
)
@click.argument("file", required=False, type=click.Path(dir_okay=False, path_type=Path))
@click.option("--at", metavar="TIME", default=None, help="The newest backup of at the latest this time (UTC).")
@click.option(
    "--from",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=None,
    help="With --at: the folder.  [default: BACKUP_FOLDER, else database/backups/postgres]",
)
@click.option("--into", metavar="NAME", default=None, help="Name of the new database.  [default: made from the time]")
@click.option(
    "--identity",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    default=None,
    help="File of the secret key, for an encrypted backup.",
)
@click.option("--no-recover", is_flag=True, help="Leave the gap since the backup to the next listener.")
@click.option("--switch-to", metavar="NAME", default=None, help="Only make this restored database the platform's.")
@click.option("--json", "as_json", is_flag=True, help="As one JSON object.")
@one_line
def restore(
    file: Path | None,
    at: str | None,
    folder: Path | None,
    into: str | None,
    identity: Path | None,
    no_recover: bool,
    switch_to: str | None,
    as_json: bool,
) -> int:
    """Restores a backup into a new database beside the one that is there, which is not touched.

    Rows and money are compared with those of the backup's moment. Then a listener of its own records what the exchange
    did since, until every account is proven, and the result is compared with the exchange as `alpha verify` does. The
    bots go on meanwhile with the database that they have.

    `--switch-to` then gives the restored database the name of the old one, which is kept under another, and empties
    Redis, which is rebuilt. The platform must be stopped for that; a platform of `alpha up` is found in ALPHA_HOME.

    Exit code 1 when the backup is damaged or the restored ledger differs from the exchange.
    """
    if switch_to is not None:
        if file or at or into:
            raise click.UsageError("--switch-to stands alone: restore first, then switch")
        return _switch(switch_to, as_json)
    if (file is None) == (at is None):
        raise click.UsageError("name a FILE, or a time with --at")
    chosen_folder, backup = _chosen(file, at, folder)
    return _restore(chosen_folder, backup, into, identity, recovers=not no_recover, as_json=as_json)


def _chosen(file: Path | None, at: str | None, folder: Path | None) -> tuple[Path, Backup]:
    from alpha.config.backups import load_backup_settings
    from alpha.config.settings import environment
    from database.backup.errors import BackupFailed
    from database.backup.inspection import inspect
    from database.backup.manifest import ENCRYPTED, PLAIN, SUFFIX, list_backups, read_manifest

    if file is not None:
        stem = file.name.removesuffix(ENCRYPTED).removesuffix(PLAIN).removesuffix(SUFFIX)
        named = read_manifest(file.with_name(stem + SUFFIX))
        # Noted for the others; whether it can be restored is not said here.
        inspect(file.parent, named)
        return file.parent, named
    where = folder or load_backup_settings(environment()).folder
    moment = _time(at or "")
    there = list_backups(where)
    if len({backup.ledger for backup in there}) > 1:
        raise BackupFailed(f"{where} holds backups of several ledgers: name the FILE; `alpha backup --list` shows all")
    for backup in reversed(there):
        if backup.taken_at > moment:
            continue
        # Read anew, whatever was noted: a whole copy may have been put in its place.
        wrong = inspect(where, backup)
        if not wrong:
            return where, backup
        click.echo(f"alpha: passed over: {wrong}", err=True)
    raise BackupFailed(f"{where} has no backup of {moment.isoformat()} or before; `alpha backup --list` shows all")


def _time(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise click.UsageError(f"--at {text} is no time: write 2026-03-01 or 2026-03-01T12:00") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _restore(
    folder: Path, backup: Backup, into: str | None, identity: Path | None, *, recovers: bool, as_json: bool
) -> int:
    from rich.console import Console

    from alpha.commands.interruption import Interruption
    from alpha.commands.terminal_log import log_failures_only
    from alpha.domain.errors import AlphaError
    from alpha.local.binaries import packaged_postgres
    from database.backup.restoring import check_name, restore_backup, restored_name
    from database.backup.scratch import finished

    name = into or restored_name(backup)
    # Before a server is started for it.
    check_name(name)
    reports: list[VerifyReport] = []
    left = "" if recovers else "left to the next listener"
    interruption = Interruption(f"nothing is left of {name}, and {backup.file} is as it was")
    with interruption, _server() as server:
        log_failures_only("restore", server.settings)
        with Console(stderr=True).status("connecting") as status:
            restored = restore_backup(
                server.dsn,
                folder,
                backup,
                into=name,
                identity=identity,
                programs=packaged_postgres(),
                on_step=lambda step: status.update(step),
                on_named=lambda named: click.echo(f"alpha: {finished(named)}", err=True),
            )
        interruption.left = (
            f"{name} holds what {backup.file} held; what the exchange did since is left to the next listener on it"
        )
        if recovers and server.environ is None:
            left = "left to the next listener, since no platform is running whose exchange could be asked"
        elif recovers and server.environ is not None:
            try:
                reports = _recover(restored.dsn, server.settings, server.registry, server.environ)
            except AlphaError:
                click.echo(f"alpha: {interruption.left}", err=True)
                raise
    equal = all(report.passed for report in reports)
    if as_json:
        said: dict[str, Any] = {
            "database": name,
            "backup": backup.to_json(),
            "migrations": list(restored.migrations),
            "recovered": bool(reports),
            "equal": equal if reports else None,
            "verify": [report.to_json() for report in reports],
        }
        click.echo(json.dumps(said))
        return 0 if equal else FAILED
    click.echo(f"{name} holds what {backup.file} held: {backup.figures.rows.get('fills', 0)} fills, all figures equal")
    for report in reports:
        verdict = "equal" if report.passed else "DIFFERENT"
        found = report.fills
        click.echo(f"  {report.account}: {found.ledger_fills} fills, {found.exchange_fills} at the exchange: {verdict}")
    if left:
        click.echo(f"  what the exchange did since is {left}")
    if not equal:
        click.echo(
            "alpha: the restored ledger differs from the exchange: `alpha verify` on it names the rows", err=True
        )
        return FAILED
    click.echo(f"stop the platform and run `alpha restore --switch-to {name}` to go on with it")
    return 0


def _recover(dsn: Dsn, settings: Settings, registry: Registry, environ: dict[str, str]) -> list[VerifyReport]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

    from alpha.local.restored_ledger import recover

    console = Console(stderr=True)
    columns = (TextColumn("recovering {task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        tasks: dict[str, TaskID] = {}
        began: dict[str, datetime] = {}

        def show(gaps: list[Gap]) -> None:
            for gap in gaps:
                if gap.proven_until is None:
                    continue
                if gap.account not in tasks:
                    tasks[gap.account], began[gap.account] = progress.add_task(gap.account), gap.proven_until
                start = began[gap.account]
                progress.update(
                    tasks[gap.account],
                    total=max((gap.until - start).total_seconds(), 1),
                    completed=min(gap.proven_until, gap.until).timestamp() - start.timestamp(),
                )

        return recover(dsn, settings, registry, environ, on_progress=show)


def _switch(name: str, as_json: bool) -> int:
    from alpha.live.connection import LIVE_ERRORS
    from alpha.live.forgetting import forget_everything
    from database.backup.restoring import check_switch, switch_to

    with _server() as server:
        check_switch(server.dsn, name)
        if server.redis is not None:
            # First: what cannot be emptied must not be found beside another ledger. It is rebuilt in any case.
            try:
                forget_everything(server.redis)
            except LIVE_ERRORS as error:
                where = f"{server.redis.host}:{server.redis.port}"
                click.echo(f"alpha: Redis at {where} cannot be emptied, nothing was switched: {error}", err=True)
                return UNREACHABLE
        aside = switch_to(server.dsn, name)
    if as_json:
        click.echo(json.dumps({"database": server.dsn.dbname, "was": name, "kept_as": aside}))
    else:
        click.echo(f"{name} is {server.dsn.dbname} now; the old one is kept as {aside}")
        click.echo("start the platform: the listener records what is missing, and Redis is rebuilt from the ledger")
    return 0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Server:
    """Where the databases are. `environ` is a running platform's, with which its exchange can be asked; `redis` is
    None where there is nothing in it to forget."""

    dsn: Dsn
    settings: Settings
    registry: Registry
    environ: dict[str, str] | None = None
    redis: RedisAddress | None = None


@contextmanager
def _server() -> Iterator[_Server]:
    """The server of the platform that runs here, or that the environment names, or the stopped one of ALPHA_HOME, which
    is started for as long as it is needed. Raises NotRunning when there is none."""
    from alpha.config import load_registry, load_settings
    from alpha.config.settings import environment
    from alpha.local.attach import environment_of
    from alpha.local.errors import NotRunning
    from alpha.local.postgres import EmbeddedPostgres
    from alpha.local.run_file import HomeLock

    try:
        environ = environment_of("owner")
    except NotRunning:
        settings = load_settings(environment())
        home = settings.alpha_home.absolute()
        postgres = EmbeddedPostgres(home)
        if not postgres.has_data():
            raise
        lock = HomeLock(home)
        lock.take()
        try:
            postgres.start()
            registry = load_registry(settings.alpha_bots_file)
            yield _Server(dsn=postgres.dsn(), settings=settings, registry=registry)
        finally:
            postgres.stop()
            lock.release()
        return
    settings = load_settings(environ)
    registry = load_registry(settings.alpha_bots_file).in_use(environ)
    yield _Server(dsn=settings.dsn(), settings=settings, registry=registry, environ=environ, redis=settings.redis())
