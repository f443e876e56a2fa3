"""Backups of a real server: verified, sealed, copied, restored; and what goes wrong on the way."""

from __future__ import annotations

import json
import os
import shutil
import signal
import stat
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager, nullcontext
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from alpha.commands import restore
from alpha.config.backups import BackupSettings
from alpha.domain.side import Side
from alpha.exchange.errors import ExchangeUnreachable
from alpha.ledger import fills as recording
from alpha.ledger.alerts import Severity
from alpha.ledger.backups import last_try, ledger_identity, newest_verified
from alpha.ledger.connection import Connection, Dsn, LedgerError, LedgerRefused, connect, single_statement, transaction
from alpha.ledger.fills import FillRecorder
from alpha.ledger.heads import take_account
from alpha.ledger.rollup_check import check_days
from alpha.local.binaries import postgres_programs
from alpha.local.postgres import EmbeddedPostgres
from database.backup import manifest, scratch, taking
from database.backup.encryption import new_identity
from database.backup.errors import BackupBusy, BackupFailed, BackupMisconfigured, DraftKept, ProgramsMissing
from database.backup.figures import figures_of
from database.backup.job import back_up
from database.backup.manifest import Backup, backup_name, list_backups
from database.backup.marks import mark_damaged
from database.backup.programs import find_programs
from database.backup.restoring import restore_backup, restored_name, switch_to
from database.backup.retention import Retention
from database.backup.scratch import new_database, scratch_database, settle_left_overs
from database.backup.space import disk_of
from database.backup.taking import take_backup, verify_dump
from database.roles import ensure_pooler
from tests.integration.ledger.heard import MAIN, heard
from tests.support import Database, eventually
from tests.unit.backup.test_manifest import AT, a_backup
from tests.unit.domain.fills import a_fill

PROGRAMS = (postgres_programs(16, None),)


@pytest.fixture(autouse=True)
def interruptible() -> Iterator[None]:
    """Ctrl-C raises KeyboardInterrupt: where a shell runs the tests in the background it is ignored from the start."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def ledger(database: Database) -> Database:
    """A database in which a round trip was recorded."""
    with closing(connect(database.dsn("ledger_writer"), "tests")) as writer:
        recorder = FillRecorder(writer, {MAIN: take_account(writer, MAIN, "tests")})
        recorder.record([heard(a_fill(Side.BUY, "2", at="100", n=1)), heard(a_fill(Side.SELL, "2", at="110", n=2))])
    return database


@pytest.fixture
def restored_names(database: Database) -> Iterator[list[str]]:
    """Databases to be dropped in the end."""
    names: list[str] = []
    yield names
    with closing(connect(replace(database.owner, dbname="postgres"), "tests")) as server:
        server.autocommit = True
        with server.cursor() as cursor:
            for name in names:
                cursor.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


class Told:
    """The alerts that were given."""

    def __init__(self) -> None:
        self.kinds: list[tuple[str, Severity]] = []

    def __call__(self, kind: str, text: str, *, severity: Severity) -> None:  # noqa: ARG002
        self.kinds.append((kind, severity))


def databases(database: Database) -> set[str]:
    with closing(connect(database.owner, "tests")) as connection, transaction(connection) as cursor:
        cursor.execute("SELECT datname FROM pg_database")
        return {name for (name,) in cursor.fetchall()}


def take(ledger: Database, folder: Path) -> Backup:
    return take_backup(ledger.dsn("backup"), folder, programs=PROGRAMS)


def left_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} - {".lock"}


def test_a_backup_was_restored_and_is_for_its_owner_alone(ledger: Database, tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    before = databases(ledger)

    backup = take(ledger, folder)

    assert list_backups(folder) == [backup]
    assert backup.figures.rows["fills"] == 2
    assert backup.figures.sums["trades.gross_pnl"] == "20"
    assert left_in(folder) == {backup.file, f"{backup.name}.json"}
    assert stat.S_IMODE((folder / backup.file).stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert databases(ledger) == before, "the scratch database is gone"


def test_a_restored_database_holds_the_same_under_the_same_rules(
    ledger: Database, tmp_path: Path, restored_names: list[str]
) -> None:
    backup = take(ledger, tmp_path)
    restored_names.append(restored_name(backup) + "_x")

    restored = restore_backup(ledger.owner, tmp_path, backup, into=restored_names[0], programs=PROGRAMS)

    assert restored.migrations == ()
    with closing(connect(ledger.owner, "tests")) as old, closing(connect(restored.dsn, "tests")) as new:
        assert _all(old, "SELECT * FROM trading.fills") == _all(new, "SELECT * FROM trading.fills")
        assert _all(old, "SELECT * FROM trading.trades") == _all(new, "SELECT * FROM trading.trades")
        with pytest.raises(LedgerRefused), transaction(new) as cursor:
            cursor.execute("UPDATE trading.fills SET fee = 0")
    as_bot = replace(ledger.dsn("bot"), dbname=restored.dsn.dbname)
    with closing(connect(as_bot, "tests")) as bot:
        assert _all(bot, "SELECT count(*) FROM trading.fills") == [(2,)]
        with pytest.raises(LedgerRefused), transaction(bot) as cursor:
            cursor.execute("INSERT INTO trading.fills SELECT * FROM trading.fills")
    as_listener = replace(ledger.dsn("ledger_writer"), dbname=restored.dsn.dbname)
    with closing(connect(as_listener, "tests")) as listener:
        recorder = FillRecorder(listener, {MAIN: take_account(listener, MAIN, "tests")})
        again = [heard(a_fill(Side.BUY, "2", at="100", n=1)), heard(a_fill(Side.BUY, "1", at="90", n=3))]
        assert len(recorder.record(again).recorded) == 1, "what was in the backup is known"


@pytest.mark.patches_source
def test_under_another_owner_a_fill_is_counted_once_however_it_is_recorded(
    ledger: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup = take(ledger, tmp_path)
    # given a database of a user who is no superuser, where only the rows and rules are as they were
    with scratch_database(ledger.dsn("backup")) as restored:
        find_programs(16, PROGRAMS).restore(restored, tmp_path / backup.file, privileges=False)
        with closing(connect(restored, "tests")) as owner:
            with transaction(owner) as cursor:
                cursor.execute("GRANT USAGE ON SCHEMA trading TO alpha_ledger_writer")
                cursor.execute("GRANT SELECT ON ALL TABLES IN SCHEMA trading TO alpha_ledger_writer")
                cursor.execute(
                    "GRANT INSERT, UPDATE, DELETE ON trading.account_head, trading.account_leases, trading.bot_heads,"
                    " trading.books, trading.fills, trading.trades TO alpha_ledger_writer"
                )
            # when the listener, who says that it counts for itself, and the owner record one fill the long way, and
            # three in one call each
            as_listener = replace(ledger.dsn("ledger_writer"), dbname=restored.dbname)
            with closing(connect(as_listener, "tests")) as listener:
                with single_statement(listener) as cursor:
                    cursor.execute("SET alpha.at_once = 'on'")
                for n, connection in enumerate([listener, owner]):
                    recorder = FillRecorder(connection, {MAIN: take_account(connection, MAIN, "tests")})
                    for m in range(4):
                        fill = a_fill(Side.BUY if m % 2 else Side.SELL, "1", at="100", n=10 * (n + 1) + m)
                        with monkeypatch.context() as patched:
                            if m:
                                patched.delattr(recording, "write_batch")
                            recorder.record([heard(fill)])
            # then every fill and round trip is counted, and once
            days = "SELECT sum(fills), sum(trades) FROM trading.bot_symbol_days"
            assert _all(owner, days) == [(2 + 8, 1 + 4)]
            assert check_days(owner, date(2025, 10, 1), date(2025, 10, 31)) == []


def test_switching_gives_the_restored_database_the_name_and_keeps_the_old_one(
    ledger: Database, tmp_path: Path, restored_names: list[str]
) -> None:
    backup = take(ledger, tmp_path)
    with closing(connect(ledger.dsn("ledger_writer"), "tests")) as writer:
        FillRecorder(writer, {MAIN: take_account(writer, MAIN, "tests")}).record(
            [heard(a_fill(Side.BUY, "1", at="90", n=3))]
        )
        restore_backup(ledger.owner, tmp_path, backup, into="restored_for_switch", programs=PROGRAMS)
        restored_names.append("restored_for_switch")
        with pytest.raises(BackupFailed, match="tests"):
            switch_to(ledger.owner, "restored_for_switch")

    aside = switch_to(ledger.owner, "restored_for_switch")
    restored_names.append(aside)

    assert _count(ledger.owner) == 2
    assert _count(replace(ledger.owner, dbname=aside)) == 3


def test_only_another_ledger_can_be_switched_to(ledger: Database) -> None:
    for name, words in (
        (ledger.owner.dbname, "already"),
        ("template1", "no ledger"),
        ("nothing_of_that_name", "no database"),
    ):
        with pytest.raises(BackupFailed, match=words):
            switch_to(ledger.owner, name)
    assert _count(ledger.owner) == 2


def test_a_backup_comes_back_on_a_server_that_knows_nobody(ledger: Database, tmp_path: Path) -> None:
    with closing(connect(ledger.owner, "tests")) as owner:
        ensure_pooler(owner, f"pooler_{ledger.owner.dbname}", "secret")
    backup = take(ledger, tmp_path)
    home = Path(tempfile.mkdtemp(prefix="alpha-other-server-"))
    other = EmbeddedPostgres(home, major=16, durable=False)
    try:
        other.start()

        restored = restore_backup(other.dsn(), tmp_path, backup, into="again", programs=PROGRAMS)

        assert _count(restored.dsn) == 2
        with closing(connect(restored.dsn, "tests")) as connection:
            assert ledger_identity(connection) == backup.ledger
    finally:
        other.remove()
        shutil.rmtree(home, ignore_errors=True)


def test_a_recovery_that_fails_says_what_is_there_without_it(
    ledger: Database,
    tmp_path: Path,
    restored_names: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    backup = take(ledger, tmp_path)
    restored_names.append("without_the_gap")
    here = SimpleNamespace(dsn=ledger.owner, settings=None, registry=None, environ={})
    monkeypatch.setattr(restore, "_server", lambda: nullcontext(here))
    monkeypatch.setattr("alpha.commands.terminal_log.log_failures_only", lambda *_: None)

    def fails(*_: object) -> None:
        raise ExchangeUnreachable("the exchange cannot be reached", operation="GET /v5/market/time")

    monkeypatch.setattr(restore, "_recover", fails)

    with pytest.raises(ExchangeUnreachable):
        restore._restore(tmp_path, backup, "without_the_gap", None, recovers=True, as_json=True)

    said = capsys.readouterr().err
    assert f"alpha: without_the_gap holds what {backup.file} held; what the exchange did since is left to the" in said
    assert _count(replace(ledger.owner, dbname="without_the_gap")) == 2


def test_a_restore_that_fails_leaves_no_database(ledger: Database, tmp_path: Path) -> None:
    backup = take(ledger, tmp_path)
    wrong = replace(backup, figures=replace(backup.figures, rows=dict(backup.figures.rows) | {"fills": 3}))

    with pytest.raises(BackupFailed, match="rows of fills: 3 expected, 2 found"):
        restore_backup(ledger.owner, tmp_path, wrong, into="never_there", programs=PROGRAMS)

    assert "never_there" not in databases(ledger)
    with pytest.raises(BackupFailed, match="already"):
        restore_backup(ledger.owner, tmp_path, backup, into=ledger.owner.dbname, programs=PROGRAMS)
    assert _count(ledger.owner) == 2


def test_a_dump_that_restores_to_something_else_is_no_backup(ledger: Database, tmp_path: Path) -> None:
    backup = take(ledger, tmp_path)
    with closing(connect(ledger.owner, "tests")) as connection:
        figures = figures_of(connection)
    wrong = replace(figures, sums=dict(figures.sums) | {"fills.fees": "1000"})

    with pytest.raises(BackupFailed, match=r"sums of fills\.fees: 1000 expected"):
        verify_dump(ledger.dsn("backup"), tmp_path / backup.file, wrong, find_programs(16, PROGRAMS))


def test_an_encrypted_backup_opens_with_the_secret_key_only(
    ledger: Database, tmp_path: Path, restored_names: list[str]
) -> None:
    folder, key, other = tmp_path / "backups", tmp_path / "key", tmp_path / "other"
    public = new_identity(key)
    new_identity(other)
    restored_names.append("opened")

    backup = take_backup(ledger.dsn("backup"), folder, recipients=[public], programs=PROGRAMS)

    assert left_in(folder) == {backup.file, f"{backup.name}.json"}
    assert (folder / backup.file).read_bytes().startswith(b"age-encryption.org/v1")
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    for identity in (None, other):
        with pytest.raises(BackupFailed, match=r"secret key|decrypted"):
            restore_backup(ledger.owner, folder, backup, into="opened", identity=identity, programs=PROGRAMS)
    restore_backup(ledger.owner, folder, backup, into="opened", identity=key, programs=PROGRAMS)
    assert _count(replace(ledger.owner, dbname="opened")) == 2
    assert left_in(folder) == {backup.file, f"{backup.name}.json"}, "nothing lies about in the clear"


def test_a_secret_key_given_for_a_public_one_is_refused_and_not_repeated(ledger: Database, tmp_path: Path) -> None:
    new_identity(tmp_path / "key")
    secret = (tmp_path / "key").read_text().splitlines()[1]

    with pytest.raises(BackupMisconfigured) as refused:
        take_backup(ledger.dsn("backup"), tmp_path, recipients=[secret], programs=PROGRAMS)
    assert secret not in str(refused.value)


def test_a_job_notes_copies_and_thins_out(ledger: Database, tmp_path: Path) -> None:
    copies, told = tmp_path / "copies", Told()
    settings = BackupSettings(folder=tmp_path / "backups", copy_to=f"file://{copies}")

    done = back_up(ledger.dsn("backup"), settings, tell=told, programs=PROGRAMS)

    assert list_backups(copies) == list_backups(settings.folder) == [done.backup]
    assert told.kinds == []
    with closing(connect(ledger.dsn("reader"), "tests")) as reader:
        noted = newest_verified(reader)
    assert noted is not None
    assert (noted.file, noted.sha256, noted.taken_at) == (done.backup.file, done.backup.sha256, done.backup.taken_at)


@pytest.mark.parametrize("is_marked", [True, False])
def test_a_job_keeps_what_is_damaged_and_what_is_whole_beside_it(
    ledger: Database, tmp_path: Path, is_marked: bool
) -> None:
    with closing(connect(ledger.owner, "tests")) as owner:
        identity = ledger_identity(owner)
    monday, tuesday = (a_backup(tmp_path, AT + timedelta(days=n), ledger=identity) for n in (1, 2))
    if is_marked:
        mark_damaged(tmp_path, tuesday.file, "rotten")
        mark_damaged(tmp_path, "gone.dump", "rotten")

    done = back_up(
        ledger.dsn("backup"),
        BackupSettings(folder=tmp_path),
        tell=Told(),
        programs=PROGRAMS,
        retention=Retention(days=1, weeks=2, months=1),
        damaged=lambda: set() if is_marked else {tuesday.file},
    )

    assert done.removed == []
    assert done.damaged == ({tuesday.file: "rotten"} if is_marked else {})
    assert list_backups(tmp_path) == [monday, tuesday, done.backup]
    assert [path.name for path in tmp_path.glob("*.damaged")] == [f"{tuesday.file}.damaged"] * is_marked


def test_a_copy_that_fails_is_told_and_the_backup_counts(ledger: Database, tmp_path: Path) -> None:
    (tmp_path / "occupied").write_text("a file where the folder should be")
    settings = BackupSettings(folder=tmp_path / "backups", copy_to=f"file://{tmp_path}/occupied/copies")
    told = Told()

    done = back_up(ledger.dsn("backup"), settings, tell=told, programs=PROGRAMS)

    assert told.kinds == [("backup_not_copied", Severity.ERROR)]
    assert done.copied_to == ""
    assert list_backups(settings.folder) == [done.backup]


def stand_in(folder: Path, script: str) -> Path:
    """A folder with a pg_dump of 16 that does this instead."""
    folder.mkdir()
    for name in ("pg_dump", "pg_restore"):
        program = folder / name
        program.write_text(f'#!/bin/sh\n[ "$1" = --version ] && echo "{name} (PostgreSQL) 16.4" && exit\n{script}\n')
        program.chmod(0o755)
    return folder


@pytest.mark.parametrize(
    ("script", "word"),
    [
        (
            'for a; do case "$a" in --file=*) echo half > "${a#--file=}";; esac; done\n'
            'echo "pg_dump: error: could not write to output file: No space left on device" >&2; exit 1',
            "No space left on device",
        ),
        ('for a; do case "$a" in --file=*) echo garbage > "${a#--file=}";; esac; done; exit 0', "exit code|restored"),
    ],
    ids=["disk full", "a dump of nothing"],
)
def test_a_dump_that_fails_is_told_and_older_backups_stay(
    ledger: Database, tmp_path: Path, script: str, word: str
) -> None:
    folder = tmp_path / "backups"
    old = take(ledger, folder)
    before, told = left_in(folder), Told()
    broken = stand_in(tmp_path / "broken", script)

    with pytest.raises(BackupFailed, match=word):
        back_up(ledger.dsn("backup"), BackupSettings(folder=folder), tell=told, programs=[broken])

    assert told.kinds == [("backup_failed", Severity.CRITICAL)]
    assert left_in(folder) == before
    assert list_backups(folder) == [old]
    with closing(connect(ledger.dsn("reader"), "tests")) as reader:
        tried = last_try(reader)
    assert tried is not None
    assert not tried.ok
    assert databases(ledger) == {name for name in databases(ledger) if not name.startswith("alpha_verify_")}


def interrupting(folder: Path, program: str) -> Path:
    """The programs of 16, of which one presses Ctrl-C instead of doing its work."""
    folder.mkdir()
    for name in ("pg_dump", "pg_restore"):
        (folder / name).symlink_to(PROGRAMS[0] / name)
    (folder / program).unlink()
    (folder / program).write_text(
        f'#!/bin/sh\n[ "$1" = --version ] && exec {PROGRAMS[0] / program} --version\nkill -INT $PPID\nexec sleep 60\n'
    )
    (folder / program).chmod(0o755)
    return folder


@pytest.mark.parametrize("program", ["pg_dump", "pg_restore"])
def test_a_backup_that_is_interrupted_leaves_nothing(ledger: Database, tmp_path: Path, program: str) -> None:
    folder = tmp_path / "backups"
    old = take(ledger, folder)
    before = databases(ledger)

    with pytest.raises(KeyboardInterrupt):
        take_backup(ledger.dsn("backup"), folder, programs=[interrupting(tmp_path / "programs", program)])

    assert left_in(folder) == {old.file, f"{old.name}.json"}
    assert databases(ledger) == before
    assert take(ledger, folder) in list_backups(folder), "no lock is left, either"


def test_a_restore_that_is_interrupted_leaves_no_database_and_nothing_in_the_clear(
    ledger: Database, tmp_path: Path
) -> None:
    folder, key = tmp_path / "backups", tmp_path / "key"
    backup = take_backup(ledger.dsn("backup"), folder, recipients=[new_identity(key)], programs=PROGRAMS)
    programs = [interrupting(tmp_path / "programs", "pg_restore")]

    with pytest.raises(KeyboardInterrupt):
        restore_backup(ledger.owner, folder, backup, into="never_there", identity=key, programs=programs)

    assert "never_there" not in databases(ledger)
    assert left_in(folder) == {backup.file, f"{backup.name}.json"}


@contextmanager
def interrupted_while_it_waits(
    database: Database, statement: str, *, behind: str = "LOCK TABLE pg_database IN SHARE MODE", commits: bool = True
) -> Iterator[None]:
    """Presses Ctrl-C while a statement that begins so waits for a transaction that did what it stands `behind`."""

    def waits() -> bool:
        with closing(connect(database.owner, "tests")) as owner, transaction(owner) as cursor:
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND starts_with(query, %s)",
                (statement,),
            )
            return cursor.fetchone() == (1,)

    def press() -> None:
        with closing(connect(database.owner, "tests")) as holder, transaction(holder) as cursor:
            cursor.execute(behind)
            held.set()
            eventually(waits, 120, "a statement that waits")
            # Pending until the statement is answered, which is after this transaction.
            os.kill(os.getpid(), signal.SIGINT)
            if not commits:
                holder.rollback()

    held = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        pressed = pool.submit(press)
        assert held.wait(120)
        with pytest.raises(KeyboardInterrupt):
            yield
        pressed.result()


def test_a_restore_that_is_interrupted_while_its_database_is_made_leaves_none(ledger: Database, tmp_path: Path) -> None:
    backup = take(ledger, tmp_path)
    before = databases(ledger)

    with interrupted_while_it_waits(ledger, "CREATE DATABASE"):
        restore_backup(ledger.owner, tmp_path, backup, into="never_there", programs=PROGRAMS)

    assert databases(ledger) == before


def test_a_backup_that_is_interrupted_while_its_scratch_database_is_made_leaves_none(
    ledger: Database, tmp_path: Path
) -> None:
    before = databases(ledger)

    with interrupted_while_it_waits(ledger, "CREATE DATABASE"):
        take(ledger, tmp_path)

    assert databases(ledger) == before
    assert left_in(tmp_path) == set()


@pytest.mark.parametrize("commits", [True, False], ids=["the name is taken", "the name stays free"])
def test_ctrl_c_upon_a_name_that_somebody_may_be_taking_drops_only_what_is_ours(
    ledger: Database, restored_names: list[str], commits: bool
) -> None:
    restored_names += ["of_somebody", "wanted"]
    with closing(connect(replace(ledger.owner, dbname="postgres"), "tests")) as server:
        with new_database(server, "of_somebody"):
            pass
        before = databases(ledger)
        with pytest.raises(LedgerRefused, match="already exists"), new_database(server, "of_somebody"):
            pass
        assert databases(ledger) == before

        taking_it = "ALTER DATABASE of_somebody RENAME TO wanted"
        with (
            interrupted_while_it_waits(ledger, 'ALTER DATABASE "', behind=taking_it, commits=commits),
            new_database(server, "wanted"),
        ):
            pass

    assert databases(ledger) == ((before - {"of_somebody"}) | {"wanted"} if commits else before)


def test_somebody_who_looks_into_a_scratch_database_does_not_cost_the_backup(ledger: Database) -> None:
    before = databases(ledger)
    with scratch_database(ledger.dsn("backup")) as scratched:
        looking = connect(replace(ledger.owner, dbname=scratched.dbname), "somebody who looks around")
    assert databases(ledger) == before | {scratched.dbname}, "left to the next one"
    looking.close()

    def settled() -> bool:
        with closing(connect(ledger.dsn("backup"), "tests")) as connection:
            settle_left_overs(connection)
        return databases(ledger) == before

    eventually(settled, 60, "the left-over being dropped")


def test_somebody_who_looks_into_a_draft_does_not_cost_the_restored_database(
    ledger: Database, tmp_path: Path, restored_names: list[str]
) -> None:
    backup = take(ledger, tmp_path)
    restored_names.append("looked_into")
    with ExitStack() as looking:

        def look(step: str) -> None:
            if step == "comparing":
                (draft,) = (name for name in databases(ledger) if name.startswith("alpha_draft_"))
                looking.enter_context(closing(connect(replace(ledger.owner, dbname=draft), "somebody")))

        restored = restore_backup(ledger.owner, tmp_path, backup, into="looked_into", programs=PROGRAMS, on_step=look)

    assert _count(restored.dsn) == 2, "it is there, and open again"
    assert not any(name.startswith("alpha_draft_") for name in databases(ledger))


@pytest.mark.parametrize("by_hand", [True, False])
def test_a_whole_draft_that_cannot_be_named_is_kept_until_somebody_names_it(
    ledger: Database, restored_names: list[str], monkeypatch: pytest.MonkeyPatch, by_hand: bool
) -> None:
    """The backup's login may not end a session of the owner, who is a superuser."""
    monkeypatch.setattr(scratch, "_HAND_OVER_WITHIN_S", 0)
    restored_names.append("kept")

    def make() -> None:
        with new_database(maker, "kept") as draft:
            restored_names.append(draft)
            looking.enter_context(closing(connect(replace(ledger.owner, dbname=draft), "monitoring")))

    with (
        closing(connect(ledger.dsn("backup"), "maker")) as maker,
        ExitStack() as looking,
        pytest.raises(DraftKept) as said,
    ):
        make()
    with closing(connect(replace(ledger.owner, dbname="postgres"), "tests")) as owner:
        gone = "SELECT count(*) = 0 FROM pg_stat_activity WHERE application_name IN ('maker', 'monitoring')"
        eventually(lambda: _all(owner, gone) == [(True,)], 60, "the end of both sessions")
        if by_hand:
            owner.autocommit = True
            with owner.cursor() as cursor:
                for statement in str(said.value).partition("by hand: ")[2].split("; "):
                    cursor.execute(statement)
        named = list[str]()
        with closing(connect(ledger.dsn("backup"), "tests")) as same_login:
            settle_left_overs(same_login, named.append)
        assert named == ([] if by_hand else ["kept"])
        assert _all(owner, "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = 'kept'") == [
            (None,)
        ], "a note that is done with"
    with closing(connect(replace(ledger.owner, dbname="kept"), "tests")) as kept:
        assert _all(kept, "SELECT current_database()::text") == [("kept",)]


def test_autovacuum_in_a_scratch_database_is_no_reason_to_keep_it() -> None:
    """A login that is no superuser may not end what PostgreSQL does by itself."""
    home = Path(tempfile.mkdtemp(prefix="alpha-vacuuming-"))
    server = EmbeddedPostgres(home, major=16, durable=False)
    try:
        server.start()
        with closing(connect(server.dsn(), "tests")) as owner:
            owner.autocommit = True
            with owner.cursor() as cursor:
                # At work everywhere within seconds, and for hours.
                for name, value in (("naptime", "1s"), ("vacuum_cost_delay", "100ms"), ("vacuum_cost_limit", "1")):
                    cursor.execute(f"ALTER SYSTEM SET autovacuum_{name} = '{value}'")
                cursor.execute("SELECT pg_reload_conf()")
                cursor.execute("CREATE ROLE maker LOGIN CREATEDB PASSWORD 'of-a-test'")
            maker = replace(server.dsn(), user="maker", password="of-a-test", dbname="postgres")
            with scratch_database(maker) as scratch:
                with closing(connect(scratch, "tests")) as filling, transaction(filling) as cursor:
                    cursor.execute("CREATE TABLE filled AS SELECT generate_series(1, 100000) AS n")
                at_work = "SELECT datname FROM pg_stat_activity WHERE backend_type = 'autovacuum worker'"
                eventually(lambda: (scratch.dbname,) in _all(owner, at_work), 60, "autovacuum at work", every_s=0.2)
            assert (scratch.dbname,) not in _all(owner, "SELECT datname FROM pg_database")
    finally:
        server.remove()
        shutil.rmtree(home, ignore_errors=True)


def test_a_backup_does_not_take_the_name_of_another_one_of_its_second(ledger: Database, tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    folder.mkdir()
    now = datetime.now(UTC)
    others = [f"{backup_name(ledger.owner.dbname, now + timedelta(seconds=n))}.dump.age" for n in range(3)]
    for name in others:
        (folder / name).write_text("another backup")

    backup = take(ledger, folder)

    assert left_in(folder) == {*others, backup.file, f"{backup.name}.json"}
    assert backup.name not in {name.removesuffix(".dump.age") for name in others}


@pytest.mark.parametrize("module", [taking, manifest], ids=["before the manifest", "with the manifest"])
def test_a_backup_that_is_interrupted_at_its_very_end_leaves_no_dump_without_a_manifest(
    ledger: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: ModuleType
) -> None:
    folder = tmp_path / "backups"
    old = take(ledger, folder)

    def sync_folder(of: Path) -> None:
        manifest_sync(of)
        os.kill(os.getpid(), signal.SIGINT)

    manifest_sync = manifest.sync_folder
    monkeypatch.setattr(module, "sync_folder", sync_folder)
    with pytest.raises(KeyboardInterrupt):
        take(ledger, folder)

    assert left_in(folder) == {old.file, f"{old.name}.json"}


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A folder on a disk of 4 MB."""
    folder = Path(tempfile.mkdtemp(prefix="alpha-small-disk-"))
    mounting = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)]
    if os.getuid() != 0 or subprocess.run(mounting, capture_output=True, check=False).returncode != 0:
        folder.rmdir()
        pytest.skip("a disk of its own needs root and mount")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)
        folder.rmdir()


def test_a_disk_that_fills_up_is_told_and_older_backups_stay(ledger: Database, small_disk: Path) -> None:
    settings, told = BackupSettings(folder=small_disk / "backups"), Told()
    old = back_up(ledger.dsn("backup"), settings, tell=told, programs=PROGRAMS).backup
    # The last one says that it was small, so that nothing is known before the disk is full.
    small = replace(old, size=1)
    (settings.folder / f"{old.name}.json").write_text(json.dumps(small.to_json()))
    (small_disk / "other").write_bytes(bytes(disk_of(small_disk).free - 2 * 4096))

    with pytest.raises(BackupFailed, match="No space left on device"):
        back_up(ledger.dsn("backup"), settings, tell=told, programs=PROGRAMS)

    assert told.kinds[-1] == ("backup_failed", Severity.CRITICAL)
    assert left_in(settings.folder) == {old.file, f"{old.name}.json"}
    assert list_backups(settings.folder) == [small]
    (small_disk / "other").unlink()
    assert back_up(ledger.dsn("backup"), settings, tell=told, programs=PROGRAMS).backup.figures.sums == old.figures.sums


def test_a_backup_that_would_not_fit_is_not_begun(ledger: Database, small_disk: Path) -> None:
    settings, told, steps = BackupSettings(folder=small_disk / "backups"), Told(), list[str]()
    old = back_up(ledger.dsn("backup"), settings, tell=told, programs=PROGRAMS).backup
    (small_disk / "other").write_bytes(bytes(disk_of(small_disk).free - old.size))

    with pytest.raises(BackupFailed, match=r"too little space: .*backups has .* free, and the dump may need"):
        back_up(ledger.dsn("backup"), settings, tell=told, programs=PROGRAMS, on_step=steps.append)

    assert steps == []
    assert told.kinds[-1] == ("backup_failed", Severity.CRITICAL)
    assert list_backups(settings.folder) == [old]


def test_a_server_without_room_for_the_trial_is_spared_it(ledger: Database, tmp_path: Path, small_disk: Path) -> None:
    settings = BackupSettings(folder=tmp_path, server_folder=small_disk)
    told = Told()

    with pytest.raises(BackupFailed, match=r"too little space: .* and the database it is tried in may need"):
        back_up(ledger.dsn("backup"), settings, tell=told, programs=PROGRAMS)

    assert told.kinds == [("backup_failed", Severity.CRITICAL)]
    assert left_in(tmp_path) == set()


def test_a_database_that_dies_in_the_middle_is_told_and_older_backups_stay(ledger: Database, tmp_path: Path) -> None:
    old, told = take(ledger, tmp_path), Told()
    server = replace(ledger.owner, dbname="postgres")

    def die(step: str) -> None:
        if step == "dumping":
            _allow_connections(server, ledger.owner.dbname, False)

    try:
        with pytest.raises((BackupFailed, LedgerError)):
            back_up(ledger.dsn("backup"), BackupSettings(folder=tmp_path), tell=told, programs=PROGRAMS, on_step=die)
    finally:
        _allow_connections(server, ledger.owner.dbname, True)

    assert told.kinds == [("backup_failed", Severity.CRITICAL)]
    assert list_backups(tmp_path) == [old]
    assert left_in(tmp_path) == {old.file, f"{old.name}.json"}


def test_a_server_that_became_newer_than_pg_dump_is_told_and_older_backups_stay(
    ledger: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, told = take(ledger, tmp_path), Told()
    monkeypatch.setattr(taking, "find_programs", lambda _, programs: find_programs(99, programs))

    with pytest.raises(ProgramsMissing, match=r"the server is PostgreSQL 99 .* install postgresql-client-99"):
        back_up(ledger.dsn("backup"), BackupSettings(folder=tmp_path), tell=told, programs=PROGRAMS)

    assert told.kinds == [("backup_failed", Severity.CRITICAL)]
    assert list_backups(tmp_path) == [old]
    assert left_in(tmp_path) == {old.file, f"{old.name}.json"}


def test_a_folder_that_cannot_be_written_is_named(ledger: Database, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(BackupFailed, match="file"):
        take_backup(ledger.dsn("backup"), tmp_path / "file", programs=PROGRAMS)


def test_a_server_newer_than_every_pg_dump_is_said(tmp_path: Path) -> None:
    old = stand_in(tmp_path / "old", "exit 1")

    with pytest.raises(ProgramsMissing, match=r"the server is PostgreSQL 99 .*is of 16.*postgresql-client-99"):
        find_programs(99, [old])


def test_a_newer_pg_restore_does_for_a_server_that_understands_it(tmp_path: Path) -> None:
    programs = stand_in(tmp_path / "newer", "exit 1")
    for program in programs.iterdir():
        program.write_text(program.read_text().replace("16.4", "18.1"))

    assert find_programs(17, [programs], or_newer=True).major == 18
    for major, or_newer in ((17, False), (16, True)):
        with pytest.raises(ProgramsMissing, match="is of 18"):
            find_programs(major, [programs], or_newer=or_newer)


def test_a_backup_of_a_newer_server_is_not_restored_on_an_older(ledger: Database, tmp_path: Path) -> None:
    backup = replace(take(ledger, tmp_path), server_major=18)

    with pytest.raises(BackupFailed, match="is of PostgreSQL 18 and this server is 16"):
        restore_backup(ledger.owner, tmp_path, backup, into="never_there", programs=PROGRAMS)


def test_two_at_once_are_one_after_the_other(ledger: Database, tmp_path: Path) -> None:
    refused: list[str] = []
    told = Told()

    def second(step: str) -> None:
        if step == "dumping":
            with pytest.raises(BackupBusy) as error:
                back_up(ledger.dsn("backup"), BackupSettings(folder=tmp_path), tell=told, programs=PROGRAMS)
            refused.append(str(error.value))

    take_backup(ledger.dsn("backup"), tmp_path, programs=PROGRAMS, on_step=second)

    assert len(refused) == 1
    assert "another backup" in refused[0]
    assert told.kinds == [], "nothing is wrong"


def test_the_backup_login_may_write_nothing_that_trades(ledger: Database) -> None:
    with closing(connect(ledger.dsn("backup"), "tests")) as connection:
        for statement in ("UPDATE trading.controls SET why = ''", "DELETE FROM trading.trades"):
            with pytest.raises(LedgerRefused), transaction(connection) as cursor:
                cursor.execute(statement)


def _allow_connections(server: Dsn, name: str, allowed: bool) -> None:
    with closing(connect(server, "tests")) as connection, transaction(connection) as cursor:
        cursor.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS {str(allowed).lower()}')
        if not allowed:
            cursor.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,))


def _all(connection: Connection, query: str) -> list[tuple[object, ...]]:
    with transaction(connection) as cursor:
        cursor.execute(query)
        return sorted(cursor.fetchall(), key=str)


def _count(dsn: Dsn) -> int:
    with closing(connect(dsn, "tests")) as connection:
        return int(str(_all(connection, "SELECT count(*) FROM trading.fills")[0][0]))
