"""The supervisor, with stand-ins for our own processes and real servers below them."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import psutil
import pytest

from alpha.config import ConfigError, load_registry, load_settings
from alpha.domain.ids import BotId
from alpha.ledger.alerts import alerts_after
from alpha.ledger.connection import LedgerRefused, connect, transaction
from alpha.ledger.controls import PLATFORM, DesiredState, account_scope, bot_scope, load_controls, set_control
from alpha.ledger.kills import Kill, KillKind
from alpha.live.connection import open_redis
from alpha.local.errors import AlreadyRunning, NotRunning, StartFailed, StartInterrupted
from alpha.local.platform import Platform, PlatformOptions
from alpha.local.run_file import attach
from telegram_manager.commanding.kill_journal import KILL_FOLDER, Entry, KillJournal
from tests.support import eventually

ROOT = Path(__file__).parents[3]
STAND_IN = (sys.executable, str(Path(__file__).with_name("stand_in.py")))
BOTS = (BotId("shortseller_001"), BotId("canary_001"))
NAMES = ("postgres", "valkey", "paper-exchange", "feed", "listener", *BOTS)
ALL_NAMES = (*NAMES, "trade-sync")
"""With what is started when everything else runs."""

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True, scope="module")
def environment() -> Iterator[None]:
    """Stand-ins find the project, and nobody reads a .env of the developer."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(ROOT))
        patch.setenv("ALPHA_ENV_FILE", "")
        yield


def new_home() -> Path:
    return Path(tempfile.mkdtemp(prefix="alpha-platform-"))


@pytest.fixture
def home() -> Iterator[Path]:
    directory = new_home()
    yield directory
    shutil.rmtree(directory, ignore_errors=True)


def platform_in(
    home: Path, *, interrupted: Callable[[], bool] = lambda: False, fresh: bool = True, standby: bool = False
) -> Platform:
    options = PlatformOptions(bots=BOTS, journal=home / "journal", fresh=fresh, durable=False, standby=standby)
    return Platform(home, load_registry(ROOT / "bots.yaml"), options, interrupted=interrupted, program=STAND_IN)


@pytest.fixture(scope="module")
def running(environment: None) -> Iterator[Platform]:  # noqa: ARG001
    """One platform for the tests that leave it running."""
    directory = new_home()
    platform = platform_in(directory)
    platform.start()
    yield platform
    platform.stop()
    platform.remove_data()
    shutil.rmtree(directory, ignore_errors=True)


def exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def own_processes() -> set[int]:
    """Every process below this one."""
    return {process.pid for process in psutil.Process().children(recursive=True)}


def runs_anew(platform: Platform, name: str, old: int) -> bool:
    return platform.child(name).pid not in (None, old)


def is_past(moment: float) -> bool:
    return time.monotonic() > moment


def ticking(platform: Platform, check: Callable[[], object]) -> Callable[[], object]:
    """The check, with the supervisor at work before each try."""

    def tick_and_check() -> object:
        platform.tick()
        return check()

    return tick_and_check


def test_each_process_is_started_again_after_kill_9(running: Platform) -> None:
    started = {name: running.child(name).pid for name in NAMES}
    assert None not in started.values()
    for name, old in started.items():
        assert old is not None
        os.kill(old, signal.SIGKILL)
        eventually(ticking(running, partial(runs_anew, running, name, old)), what=f"{name} runs again")
    eventually(ticking(running, running.postgres.ready), what="PostgreSQL is ready")
    # and every end was told
    with closing(connect(running.dsn("reader"), "test")) as connection:

        def told() -> bool:
            kinds = [(alert.kind, alert.fields.get("process")) for _, alert in alerts_after(connection, 0)]
            return {("process_died", name) for name in NAMES} <= set(kinds)

        eventually(ticking(running, told), what="an alert for each", within_s=20)


def test_the_market_moves_when_all_is_ready_and_again_after_a_restart_of_the_exchange(running: Platform) -> None:
    journal = running.options.journal
    before = journal.read_text().count("/admin/resume\n")
    assert before >= 1
    pid = running.child("paper-exchange").pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    eventually(
        ticking(running, lambda: journal.read_text().count("resume") == before + 1), what="the market is released again"
    )


def test_controls_stop_and_start_bots_within_a_second(running: Platform) -> None:
    bot, other = BOTS
    with closing(connect(running.dsn("commander"), "test")) as connection:
        set_control(connection, bot_scope(bot), by="test", why="test", desired_state=DesiredState.STOPPED)
        eventually(ticking(running, lambda: not running.child(bot).running), what="the bot has ended")
        assert running.child(other).running
        set_control(connection, PLATFORM, by="test", why="test", desired_state=DesiredState.STOPPED)
        eventually(ticking(running, lambda: not running.child(other).running), what="all bots have ended")
        assert running.child("listener").running
        set_control(connection, PLATFORM, by="test", why="test", desired_state=DesiredState.RUNNING)
        eventually(ticking(running, lambda: running.child(other).running), what="the other bot runs")
        assert not running.child(bot).running
        set_control(connection, bot_scope(bot), by="test", why="test", desired_state=DesiredState.RUNNING)
        eventually(ticking(running, lambda: running.child(bot).running), what="the bot runs")


def test_a_stopped_account_stops_its_bots_and_a_restart_is_done_once(running: Platform) -> None:
    bot = BOTS[0]
    scope = account_scope(running.registry.bot(bot).account)
    with closing(connect(running.dsn("commander"), "test")) as connection:
        set_control(connection, scope, by="test", why="test", desired_state=DesiredState.STOPPED)
        eventually(ticking(running, lambda: not running.child(bot).running), what="the bot has ended")
        set_control(connection, scope, by="test", why="test", desired_state=DesiredState.RUNNING)
        eventually(ticking(running, lambda: running.child(bot).pid), what="the bot runs")
        before, restarts = running.child(bot).pid, running.child(bot).restarts
        set_control(connection, bot_scope(bot), by="test", why="test", restart=True)
        eventually(ticking(running, lambda: running.child(bot).pid not in (None, before)), what="another life")
        after = running.child(bot).pid
        # the next control is read, and the bot left alone; it did not die, so nobody is told that
        set_control(connection, scope, by="test", why="again", desired_state=DesiredState.STOPPED)
        eventually(ticking(running, lambda: not running.child(bot).running), what="the bot has ended")
        set_control(connection, scope, by="test", why="again", desired_state=DesiredState.RUNNING)
        eventually(ticking(running, lambda: running.child(bot).pid not in (None, after)), what="it runs")
        assert running.child(bot).restarts == restarts


def test_a_kill_ordered_while_nothing_ran_holds_before_any_bot_runs(home: Path) -> None:
    platform = platform_in(home, fresh=False)
    kill = Kill(
        id="0123456789ab",
        kind=KillKind.KILL,
        scope=PLATFORM,
        by="test",
        why="nothing ran",
        asked_at=datetime.now(UTC),
    )
    # Written here as recorded: the ledger was made anew since.
    KillJournal(home / KILL_FOLDER).write(Entry(kill=kill).recorded())
    try:
        platform.start()
        assert not any(platform.child(bot).running for bot in BOTS)
        with closing(connect(platform.dsn("reader"), "test")) as connection:
            assert load_controls(connection)[PLATFORM].kill == kill.id
    finally:
        platform.stop()
        platform.remove_data()


def test_other_terminals_find_it_each_role_with_its_own_rights(running: Platform) -> None:
    eventually(ticking(running, lambda: all(running.child(name).pid for name in ALL_NAMES)), what="all run")
    found = attach(running.home)
    assert found.pids == {name: running.child(name).pid for name in ALL_NAMES}
    assert (found.admin_url, found.admin_token) == running.exchange_admin
    reader = load_settings(found.env["reader"])
    with open_redis(reader.redis(), 11) as redis:
        assert redis.ping()
    with closing(connect(reader.dsn(), "test")) as connection, pytest.raises(LedgerRefused, match="permission denied"):
        set_control(connection, PLATFORM, by="test", why="test", entries_allowed=False)
    with (
        closing(connect(load_settings(found.env["owner"]).dsn(), "test")) as connection,
        transaction(connection) as cursor,
    ):
        cursor.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")
        assert cursor.fetchone() == (True,)
    # and the file follows a restart
    pid = running.child("feed").pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    eventually(
        ticking(running, lambda: attach(running.home).pids.get("feed") not in (None, pid)), what="run.json follows"
    )
    secrets = [env["POSTGRES_PASSWORD"] for env in found.env.values()]
    assert len(set(secrets)) == len(secrets)


def test_a_bot_gets_its_own_accounts_key_and_nothing_of_the_terminals(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POSTGRES_PASSWORD", "terminal-1")
    monkeypatch.setenv("LXALGO_BYBIT_API_SECRET", "terminal-2")
    monkeypatch.setenv("C2_TELEGRAM_BOT_TOKEN", "terminal-3")
    platform = platform_in(home)
    platform.start()
    try:
        environ = Path(f"/proc/{platform.child('canary_001').pid}/environ").read_text()
        assert "terminal-" not in environ
        assert "CANARY_BYBIT_API_SECRET=" in environ
        assert "SHORTSELLER_BYBIT_API_SECRET=" not in environ
        for name in NAMES:
            arguments = Path(f"/proc/{platform.child(name).pid}/cmdline").read_text()
            assert not any(secret in arguments for pair in platform._keys.values() for secret in pair)
    finally:
        platform.stop()
        platform.remove_data()


def test_a_second_listener_stands_by_when_asked_for_and_is_kept_running_as_well(home: Path) -> None:
    before = own_processes()
    platform = platform_in(home, standby=True)
    try:
        platform.start()
        first, second = platform.child("listener").pid, platform.child("listener-standby").pid
        assert first is not None
        assert second is not None
        assert attach(home).pids["listener-standby"] == second
        os.kill(second, signal.SIGKILL)
        eventually(ticking(platform, lambda: runs_anew(platform, "listener-standby", second)), what="another standby")
        assert platform.child("listener").pid == first
    finally:
        platform.stop()
        platform.remove_data()
    assert own_processes() <= before


def test_a_stop_is_quick_and_complete_at_any_moment_of_the_start(home: Path) -> None:
    before = own_processes()
    for after_s in (0.0, 0.3, 0.9, 1.6, 2.5):
        give_up_at = time.monotonic() + after_s
        platform = platform_in(home, interrupted=partial(is_past, give_up_at))
        with suppress(StartInterrupted):
            platform.start()
        platform.stop()
        assert time.monotonic() - give_up_at < 5
        assert own_processes() <= before
        with pytest.raises(NotRunning):
            attach(home)


def test_a_second_one_in_the_same_home_is_refused_and_the_first_goes_on(running: Platform) -> None:
    with pytest.raises(AlreadyRunning, match=f"pid {os.getpid()}"):
        platform_in(running.home).start()
    assert running.child("listener").running
    assert attach(running.home).pid == os.getpid()


def test_a_process_that_cannot_run_as_configured_ends_the_start_with_its_words(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STAND_IN_REFUSES", "listener")
    platform = platform_in(home)
    with pytest.raises(StartFailed, match="listener ended with code 2: listener is not configured"):
        platform.start()
    assert not platform.processes
    assert not platform.postgres.running


def test_what_disagrees_is_refused_before_anything_runs(home: Path) -> None:
    options = PlatformOptions(bots=BOTS, journal=home / "journal")
    registry = load_registry(ROOT / "bots.yaml")
    with pytest.raises(ConfigError, match="no bot nobody"):
        Platform(home, registry, PlatformOptions(bots=(BotId("nobody"),), journal=home / "journal"))
    live = load_settings({"ALPHA_MODE": "live"})
    with pytest.raises(ConfigError, match="ALPHA_MODE=live"):
        Platform(home, registry, options, settings=live).start()
    assert not list(home.iterdir())


def test_data_and_paper_accounts_are_kept_unless_it_begins_afresh(home: Path) -> None:
    def one_life(*, fresh: bool) -> tuple[str, int]:
        platform = platform_in(home, fresh=fresh)
        platform.start()
        try:
            with closing(connect(platform.dsn("commander"), "test")) as connection:
                set_control(connection, f"account:x{time.monotonic_ns()}", by="test", why="test")
            with closing(connect(platform.dsn("reader"), "test")) as connection, transaction(connection) as cursor:
                cursor.execute("SELECT count(*) FROM trading.controls WHERE scope LIKE 'account:x%'")
                (count,) = cursor.fetchone() or (0,)
            return platform._keys["canary"][0], count
        finally:
            platform.stop()

    (home / "of an earlier life").touch()
    key, count = one_life(fresh=True)
    assert count == 1
    assert not (home / "of an earlier life").exists()
    assert one_life(fresh=False) == (key, 2)


SUPERVISOR = """
import sys
from pathlib import Path
sys.path.insert(0, {root!r})
from alpha.config import load_registry
from alpha.domain.ids import BotId
from alpha.local.platform import Platform, PlatformOptions
from alpha.service.shutdown import StopSignal
stop = StopSignal().install()
home = Path({home!r})
options = PlatformOptions(bots={bots!r}, journal=home / "journal")
platform = Platform(home, load_registry(Path({registry!r})), options, interrupted=stop.is_set, program={program!r})
try:
    platform.start()
    print("started", flush=True)
    while not stop.wait(0.05):
        platform.tick()
finally:
    platform.stop()
"""


def test_the_end_of_the_supervisor_is_the_end_of_all_its_processes(home: Path) -> None:
    code = SUPERVISOR.format(
        root=str(ROOT), home=str(home), bots=BOTS, registry=str(ROOT / "bots.yaml"), program=STAND_IN
    )
    pids: list[int] = []
    # the second life begins while backends of the first may still be leaving
    for number in (signal.SIGKILL, signal.SIGINT):
        with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as supervisor:
            assert supervisor.stdout is not None
            assert supervisor.stdout.readline() == "started\n"
            pids = list(json.loads((home / "run.json").read_text())["pids"].values())
            assert len(pids) == len(NAMES)
            supervisor.send_signal(number)
            supervisor.wait(5)
    eventually(lambda: not [pid for pid in pids if exists(pid)], what="no process is left")
    with pytest.raises(NotRunning):
        attach(home)
