"""A kill rehearsed: everything that it needs is looked at, and the closing itself is done on a paper exchange."""

from __future__ import annotations

import secrets
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from alpha.domain.errors import AlphaError
from alpha.domain.ids import AccountName
from alpha.ledger.controls import account_scope
from alpha.ledger.kills import Kill, KillKind, rehearse_hold
from alpha.live.connection import LIVE_ERRORS
from alpha.live.controls import freeze, freezes, thaw
from telegram_manager.commanding.desk import Desk, Progress, say_nothing, wall_clock
from telegram_manager.commanding.evidence import AccountEvidence
from telegram_manager.commanding.exchange_pool import ExchangePool
from telegram_manager.commanding.kill_journal import Entry
from telegram_manager.commanding.kill_run import closing_of, freezing_control
from telegram_manager.commanding.paper_stage import PaperStage, StageFailed
from telegram_manager.commanding.reach import Reach
from telegram_manager.commanding.stopping import open_positions
from telegram_manager.rendering import amounts

PROVEN_WITHIN_S = 45.0

_STANDS_FOR = "rehearsal"
"""An account that nobody has: what is written for it concerns no bot."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One step, and what was seen."""

    name: str
    ok: bool
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RehearsalReport:
    """`accounts` are the closings on paper."""

    checks: tuple[Check, ...]
    accounts: tuple[AccountEvidence, ...]
    took_s: float

    @property
    def ok(self) -> bool:
        return all(check.ok for check in self.checks)


def rehearse(desk: Desk, *, by: str, progress: Progress = say_nothing) -> RehearsalReport:
    """Goes through everything that a kill of `all` does, without touching an order of a real account.

    Of the real platform: it is written to disk, the control is written and taken back, a freeze that is nobody's is set
    and lifted, whoever runs the bots is asked for them, and each account's own key reads its orders and positions. On
    paper: every account holds positions in both directions under stops, with orders resting, and an exchange that
    answers a part of the requests with errors.
    """
    began_s, kill = time.monotonic(), rehearsed_kill(by)
    progress("looking at what a kill needs")
    checks = looked_at(desk, kill)
    progress("closing everything on a paper exchange")
    closed, accounts = _on_paper(desk, kill)
    return RehearsalReport(checks=(*checks, *closed), accounts=accounts, took_s=time.monotonic() - began_s)


def rehearsed_kill(by: str) -> Kill:
    """Of an account that nobody has."""
    return Kill(
        id=f"{_STANDS_FOR}-{secrets.token_hex(6)}",
        kind=KillKind.KILL,
        scope=account_scope(AccountName(_STANDS_FOR)),
        by=by,
        why="rehearsal",
        asked_at=wall_clock(),
    )


def looked_at(desk: Desk, kill: Kill) -> list[Check]:
    """What a kill needs of the real platform; everything that is written is taken back."""
    checks = [
        _check("disk", lambda: _on_disk(desk, kill)),
        _check("PostgreSQL", lambda: _in_ledger(desk, kill)),
        _check("Redis", lambda: _in_redis(desk, kill)),
        _check(f"bots ({desk.control.name})", lambda: _of_bots(desk)),
    ]
    checks += [_check(f"key of {name}", partial(_with_key, desk, name)) for name in desk.registry.accounts]
    return checks


def _check(name: str, look: Callable[[], str]) -> Check:
    try:
        return Check(name=name, ok=True, text=look())
    except (AlphaError, *LIVE_ERRORS) as error:
        return Check(name=name, ok=False, text=" ".join(str(error).split()))


def _on_disk(desk: Desk, kill: Kill) -> str:
    journal = desk.journal.beside(_STANDS_FOR)
    written = journal.write(Entry(kill=kill))
    read = journal.entry(kill.id)
    journal.remove(kill.id)
    if not written or read is None:
        raise StageFailed("a kill cannot be written to disk: it would not be taken up after a crash")
    return "a kill can be written"


def _in_ledger(desk: Desk, kill: Kill) -> str:
    with desk.ledger() as connection:
        control = rehearse_hold(connection, kill)
    return f"the control can be written ({control.desired_state.value}, no entries); taken back"


def _in_redis(desk: Desk, kill: Kill) -> str:
    with desk.live() as client:
        freeze(client, freezing_control(kill))
        seen = kill.id in freezes(client)
        thaw(client, kill.id)
    if not seen:
        raise StageFailed("a freeze cannot be read back")
    return "entries can be frozen; taken back"


def _of_bots(desk: Desk) -> str:
    states = Counter(state.state for state in desk.control.states().values())
    return ", ".join(f"{number} {state.value}" for state, number in states.items()) or "no bots"


def _with_key(desk: Desk, account: AccountName) -> str:
    with desk.exchange.client(account) as client:
        orders, held = client.open_orders(), open_positions(client, Reach(account))
    return f"would cancel {amounts.count(len(orders), 'order')} and close {amounts.count(len(held), 'position')}"


def _on_paper(desk: Desk, kill: Kill) -> tuple[list[Check], tuple[AccountEvidence, ...]]:
    try:
        with (
            tempfile.TemporaryDirectory(prefix="alpha-rehearsal-") as folder,
            PaperStage(Path(folder), desk.registry) as stage,
        ):
            stage.set()
            return _closed_on(stage, desk, kill)
    except AlphaError as error:
        return [Check(name="on paper", ok=False, text=" ".join(str(error).split()))], ()


def _closed_on(stage: PaperStage, desk: Desk, kill: Kill) -> tuple[list[Check], tuple[AccountEvidence, ...]]:
    exchange, stop = ExchangePool(stage.client), threading.Event()
    found: dict[str, AccountEvidence] = {}

    def close(reach: Reach) -> None:
        with exchange.client(reach.account) as client:
            closing = closing_of(desk.registry, exchange, kill, reach, client, began_s)
            closing.run(stop)
            found[reach.account] = closing.evidence()

    began_s = time.monotonic()
    threads = [
        threading.Thread(target=close, args=(Reach(account),), name=f"rehearsal-{account}", daemon=True)
        for account in stage.accounts
    ]
    _run_together(threads, stop)
    exchange.close()
    accounts = tuple(found[account] for account in stage.accounts if account in found)
    proven = len(accounts) == len(stage.accounts) and all(account.proven for account in accounts)
    errors = sum(account.errors for account in accounts)
    text = f"{amounts.count(len(accounts), 'account')} flat and proven" if proven else "not everything is proven flat"
    left = stage.left()
    return [
        Check(name="on paper", ok=proven, text=f"{text}; {amounts.count(errors, 'request')} answered with errors"),
        Check(
            name="what the exchange holds",
            ok=not left,
            text="no order and no position" if not left else "; ".join(left),
        ),
    ], accounts


def _run_together(threads: Iterable[threading.Thread], stop: threading.Event) -> None:
    started = list(threads)
    give_up_s = time.monotonic() + PROVEN_WITHIN_S
    for thread in started:
        thread.start()
    for thread in started:
        thread.join(max(give_up_s - time.monotonic(), 0.0))
    stop.set()
    for thread in started:
        thread.join(5)
