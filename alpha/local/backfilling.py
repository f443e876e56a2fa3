"""`alpha backfill`: opens the past, sees to it that a listener recovers it, and follows until it is done."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeElapsedColumn

from alpha.config.addresses import endpoints
from alpha.config.credentials import credentials
from alpha.config.registry import Registry, load_registry
from alpha.config.settings import Settings, load_settings
from alpha.domain.errors import AlphaError, Unreachable
from alpha.domain.ids import AccountName
from alpha.exchange.rest import ExchangeClient
from alpha.ledger.connection import Connection, connect
from alpha.ledger.heads import account_heads
from alpha.ledger.sync_status import windows_of
from alpha.live.rate_budget import SharedBudget
from alpha.local.attach import environment_of, settings_of
from alpha.local.children import Child
from alpha.local.errors import NotRunning, StartFailed
from alpha.local.platform import ALPHA, Platform, PlatformOptions
from alpha.local.preflight import PROJECT
from alpha.service.alerts import AlertWriter
from alpha.service.exit_codes import FAILED, UNREACHABLE
from alpha.service.logging import configure_logging
from trade_sync_service.account_sync import AccountSync
from trade_sync_service.backfill import Backfill, compare_past, open_past, share_recovered, store_past

_LOOK_EVERY_S = 0.5
_LISTENER_MISSED_AFTER_S = 5.0
_SEEN_WITHIN_S = 120.0
_NO_PROGRESS_S = 300.0
_STATEMENT_WITHIN_S = 120.0
_TOLD_EVERY = 0.1


@dataclass(slots=True)
class _Standing:
    """How far one account is; written by its own thread."""

    account: AccountName
    stage: str = "waits for its listener"
    share: float = 0.0
    """Of the fills that are recovered, 0 to 1."""
    backfill: Backfill | None = None
    stored: AccountSync | None = None
    compared: AccountSync | None = None
    error: AlphaError | None = None
    done: bool = False

    @property
    def problem(self) -> str:
        """What went wrong, "" for nothing."""
        if self.error is not None:
            return str(self.error)
        for sync in (self.stored, self.compared):
            if sync is not None and sync.failure is not None:
                return sync.failure.text
        if self.compared is not None and self.compared.findings:
            return f"{self.compared.findings} disagreements, see alpha drift"
        return ""


@dataclass(frozen=True, slots=True)
class BackfillResult:
    """What became of each account."""

    standings: Sequence[_Standing] = field(default_factory=tuple)

    @property
    def exit_code(self) -> int:
        if all(not standing.problem for standing in self.standings):
            return 0
        errors = [standing.error for standing in self.standings if standing.problem]
        return UNREACHABLE if all(isinstance(error, Unreachable) for error in errors) else FAILED

    def to_json(self) -> dict[str, Any]:
        return {
            "ok": self.exit_code == 0,
            "accounts": {standing.account: _as_json(standing) for standing in self.standings},
        }

    def lines(self) -> list[str]:
        return [_line(standing) for standing in self.standings]


def run_backfill(
    chosen: Callable[[Registry], Sequence[AccountName]], *, months: int, by: str, quiet: bool
) -> BackfillResult:
    """Backfills the chosen accounts, together. Shows a bar for each on a terminal, else a line now and then.

    Raises ConfigError, NotRunning, LedgerError, StartFailed, before anything is opened.
    """
    with _place() as place:
        accounts = chosen(place.registry)
        with closing(_Run(place, accounts, months=months, by=by)) as run, _shown(accounts, quiet=quiet) as show:
            run.start()
            while not run.is_done:
                place.look()
                show(run.standings)
                run.wait(_LOOK_EVERY_S)
            show(run.standings)
            return BackfillResult(tuple(run.standings))


class _Place:
    """Where the backfill runs: the platform or the servers that are there, and a listener."""

    def __init__(self, settings: Settings, registry: Registry, environ: Mapping[str, str]) -> None:
        self.settings, self.registry, self.environ = settings, registry, environ
        self.platform: Platform | None = None
        self._listener: Child | None = None
        self._missed_since: float | None = None

    def look(self) -> None:
        """Keeps what it has started running, and starts a listener where none records any account. Raises StartFailed
        when that one ends."""
        if self.platform is not None:
            self.platform.tick()
        elif self._listener is not None:
            if not self._listener.running:
                raise StartFailed(f"the listener ended: {self._listener.last_words()} ({self._listener.log})")
        elif self._is_missed():
            self._start_listener()

    def close(self) -> None:
        if self._listener is not None and self._listener.running:
            self._listener.ask_to_stop()
            if not self._listener.wait(15):
                self._listener.kill()

    def _is_missed(self) -> bool:
        with closing(connect(self.settings.dsn(), "alpha-backfill")) as ledger:
            recorded = any(not head.lease_expired for head in account_heads(ledger).values())
        if recorded:
            self._missed_since = None
            return False
        self._missed_since = self._missed_since or time.monotonic()
        return time.monotonic() - self._missed_since > _LISTENER_MISSED_AFTER_S

    def _start_listener(self) -> None:
        home = self.settings.alpha_home.absolute()
        self._listener = Child(
            "listener",
            [*ALPHA, "listener"],
            env=environment_of("listener") | {"LOG_FORMAT": "json"},
            log=home / "logs" / "backfill-listener.log",
            cwd=PROJECT,
        )
        self._listener.start()


@contextmanager
def _place() -> Iterator[_Place]:
    try:
        settings, registry = settings_of("sync")
    except NotRunning:
        with _own_platform() as place:
            yield place
        return
    with closing(_Place(settings, registry, environment_of("sync"))) as place:
        yield place


@contextmanager
def _own_platform() -> Iterator[_Place]:
    """Nothing runs here: the platform without its bots, for as long as the backfill takes."""
    own = load_settings()
    home = own.alpha_home.absolute()
    options = PlatformOptions(bots=(), journal=home / "paper-journal.jsonl", state=home / "paper-exchange")
    # What it does is shown as progress; only what goes wrong is told beside it.
    configure_logging("supervisor", own.model_copy(update={"log_level": "warning"}))
    platform = Platform(home, load_registry(own.alpha_bots_file), options, settings=own)
    platform.start()
    try:
        settings, registry = settings_of("sync")
        place = _Place(settings, registry, environment_of("sync"))
        place.platform = platform
        yield place
    finally:
        platform.stop()


class _Run:
    """The accounts, each in a thread of its own with connections of its own."""

    def __init__(self, place: _Place, accounts: Sequence[AccountName], *, months: int, by: str) -> None:
        self.standings = [_Standing(account) for account in accounts]
        self._place, self._months, self._by = place, months, by
        redis = place.settings.redis()
        self._budget = SharedBudget(redis)
        self._alerts = AlertWriter(place.settings.dsn(), redis, "alpha-backfill")
        self._stopping = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=(standing,), name=f"backfill-{standing.account}", daemon=True)
            for standing in self.standings
        ]

    @property
    def is_done(self) -> bool:
        return all(standing.done for standing in self.standings)

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def wait(self, seconds: float) -> None:
        """Until that time has passed, or less when everything is done."""
        give_up = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, give_up - time.monotonic()))

    def close(self) -> None:
        self._stopping.set()
        self._alerts.close()
        self._budget.close()

    def _run(self, standing: _Standing) -> None:
        settings, registry = self._place.settings, self._place.registry
        account = registry.account(standing.account)
        try:
            client = ExchangeClient(
                account.name,
                endpoints(account, settings),
                credentials(account, self._place.environ),
                budget=self._budget,
            )
            with (
                closing(client),
                closing(connect(settings.dsn(), "alpha-backfill", statement_timeout_s=_STATEMENT_WITHIN_S)) as ledger,
            ):
                self._backfill(standing, client, ledger)
        except AlphaError as error:
            standing.error = error
        finally:
            standing.done = True

    def _backfill(self, standing: _Standing, client: ExchangeClient, ledger: Connection) -> None:
        standing.backfill = backfill = self._opened(client, ledger)
        if backfill.is_empty:
            standing.share, standing.stage = 1.0, "is complete"
            return
        standing.stage = "log and closed P&L"
        total = 2 * len(windows_of(backfill.since, backfill.until))
        done = 0

        def stored(*_: object) -> None:
            nonlocal done
            done += 1
            standing.stage = f"log and closed P&L, week {done} of {total}"
            standing.share = share_recovered(ledger, backfill)

        standing.stored = store_past(client, ledger, backfill, alerts=self._alerts, on_window=stored)
        standing.stage = "the listener recovers fills"
        self._follow(standing, ledger, backfill)
        standing.stage = "compares"
        standing.compared = compare_past(client, ledger, backfill, alerts=self._alerts)
        standing.stage = "done"

    def _opened(self, client: ExchangeClient, ledger: Connection) -> Backfill:
        give_up = time.monotonic() + _SEEN_WITHIN_S
        while (opened := open_past(client, ledger, self._months, by=self._by)) is None:
            if self._stopping.wait(_LOOK_EVERY_S) or time.monotonic() > give_up:
                raise NotRunning(f"no listener has seen account {client.account} yet: look at its log")
        return opened

    def _follow(self, standing: _Standing, ledger: Connection, backfill: Backfill) -> None:
        moved_at = time.monotonic()
        while (share := share_recovered(ledger, backfill)) < 1.0:
            if share > standing.share:
                standing.share, moved_at = share, time.monotonic()
            if time.monotonic() - moved_at > _NO_PROGRESS_S:
                raise NotRunning(
                    f"the recovery of {backfill.account} stands still at {share:.1%}: alpha status says what its "
                    "listener waits for; run the backfill again to go on"
                )
            if self._stopping.wait(_LOOK_EVERY_S):
                raise NotRunning("interrupted: run the backfill again to go on")
        standing.share = 1.0


@contextmanager
def _shown(accounts: Sequence[AccountName], *, quiet: bool) -> Iterator[Callable[[Sequence[_Standing]], None]]:
    console = Console(stderr=True)
    if not console.is_terminal or quiet:
        yield _teller(console, quiet=quiet)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[stage]}"),
    )
    with Progress(*columns, console=console) as progress:
        bars: dict[AccountName, TaskID] = {
            account: progress.add_task(str(account), total=1.0, stage="") for account in accounts
        }

        def show(standings: Sequence[_Standing]) -> None:
            for standing in standings:
                stage = standing.problem or standing.stage
                progress.update(bars[standing.account], completed=standing.share, stage=stage)

        yield show


def _teller(console: Console, *, quiet: bool) -> Callable[[Sequence[_Standing]], None]:
    told: dict[AccountName, tuple[float, str]] = {}

    def show(standings: Sequence[_Standing]) -> None:
        for standing in standings:
            share, stage = told.get(standing.account, (-1.0, ""))
            kind = standing.stage.partition(",")[0]
            if not quiet and (kind != stage or standing.share - share >= _TOLD_EVERY):
                told[standing.account] = (standing.share, kind)
                console.print(f"{standing.account}: {standing.share:.0%} of the fills recovered; {standing.stage}")

    return show


def _as_json(standing: _Standing) -> dict[str, Any]:
    backfill = standing.backfill
    return {
        "ok": not standing.problem,
        "since": None if backfill is None else backfill.since.isoformat(),
        "until": None if backfill is None else backfill.until.isoformat(),
        "opened": backfill is not None and backfill.opened,
        "recovered": round(standing.share, 6),
        "problem": standing.problem,
        "note": "" if backfill is None else backfill.note,
        "tasks": {
            task.task.value: task.to_json()
            for sync in (standing.stored, standing.compared)
            if sync is not None
            for task in sync.tasks
        },
    }


def _line(standing: _Standing) -> str:
    backfill = standing.backfill
    if standing.problem or backfill is None:
        return f"{standing.account}: {standing.problem or 'not begun'} ({standing.share:.0%} recovered)"
    if backfill.is_empty:
        return f"{standing.account}: the ledger begins at {backfill.until:%Y-%m-%d %H:%M} UTC already"
    fills = next((task.rows for task in standing.compared.tasks), 0) if standing.compared else 0
    entries = next((task.rows for task in standing.stored.tasks), 0) if standing.stored else 0
    said = (
        f"{standing.account}: complete from {backfill.since:%Y-%m-%d %H:%M} UTC, {fills} executions before the first "
        f"contact at {backfill.until:%Y-%m-%d %H:%M}, {entries} log entries read"
    )
    return said + (f"; {backfill.note}" if backfill.note else "")
