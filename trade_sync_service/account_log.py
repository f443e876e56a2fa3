"""The transaction log, stored as it is told, and whether its balances follow from one another."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime

import structlog

from alpha.exchange.account_books import LogEntry
from alpha.exchange.listings import ACCOUNT_LOG
from alpha.exchange.walking import Window, walk
from alpha.ledger.account_log import add_log_entries, balances_before, log_between, log_ids_between
from alpha.ledger.drift import DriftKind, Finding, add_drift
from alpha.ledger.sync_status import MILLISECOND
from trade_sync_service.balance_chain import BalanceJump, jumps
from trade_sync_service.comparison import Found, Sides, Stretch

log = structlog.get_logger()


def sync_account_log(sides: Sides, stretch: Stretch) -> Iterator[Found]:
    """Stores the log of a stretch, part by part, oldest first. Raises UnknownMessage after what could be read is
    stored: an entry is never skipped."""
    for window in walk(ACCOUNT_LOG, sides.client, stretch.start, stretch.end):
        findings = _store(sides, window)
        broken = _jumps(sides, window)
        if broken:
            # Newest first and page by page: what shifted meanwhile is there in a second reading.
            time.sleep(sides.timing.settle_s)
            for again in walk(ACCOUNT_LOG, sides.client, window.start, window.end):
                findings += _store(sides, again)
            broken = _jumps(sides, window)
        for jump in broken:
            _tell_jump(sides, jump)
        findings += len(broken)
        detail = f"{findings} findings, see trading.drift" if findings else ""
        yield Found(through=window.end, rows=len(window.rows), findings=findings, detail=detail)


def _store(sides: Sides, window: Window[LogEntry]) -> int:
    known = log_ids_between(sides.ledger, sides.client.account, window.start, window.end + MILLISECOND)
    stored = add_log_entries(sides.ledger, window.rows)
    if window.unreadable:
        raise window.unreadable[0]
    gone = known - {entry.log_id for entry in window.rows}
    findings = [_changed(sides, before, now) for before, now in stored.differing]
    if gone:
        findings.append(_gone(sides, gone, window))
    if findings and add_drift(sides.ledger, findings) and sides.alerts is not None:
        sides.alerts.alert(
            "account_log_changed",
            f"the exchange tells another past of {sides.client.account} than before: {len(stored.differing)} entries "
            f"of its transaction log have changed and {len(gone)} are gone; the account may have been reset",
            severity="error",
            account=sides.client.account,
        )
    return len(findings)


def _jumps(sides: Sides, window: Window[LogEntry]) -> list[BalanceJump]:
    account, ledger = sides.client.account, sides.ledger
    entries = log_between(ledger, account, window.start, window.end + MILLISECOND)
    return jumps(entries, balances_before(ledger, account, window.start))


def _tell_jump(sides: Sides, jump: BalanceJump) -> None:
    finding = Finding(
        kind=DriftKind.BALANCE,
        account=sides.client.account,
        subject=f"{jump.currency} {jump.at.isoformat()}",
        detail={
            "expected": str(jump.expected),
            "told": str(jump.after),
            "unexplained": str(jump.unexplained),
            "entry": jump.log_id,
            "since": _words(jump.since),
        },
        blocks_entries=False,
    )
    if add_drift(sides.ledger, [finding]) and sides.alerts is not None:
        hint = "; the demo account was most likely reset" if sides.client.endpoints.environment == "demo" else ""
        sides.alerts.alert(
            "balance_jump",
            f"{jump.currency} of {sides.client.account} should be {jump.expected} at {jump.at.isoformat()} and is "
            f"{jump.after}: {jump.unexplained} came or went without an entry in the transaction log{hint}",
            severity="error",
            account=sides.client.account,
            entry=jump.log_id,
        )


def _changed(sides: Sides, before: LogEntry, now: LogEntry) -> Finding:
    differing = {
        name: [str(getattr(before, name)), str(getattr(now, name))]
        for name in LogEntry.__slots__
        if getattr(before, name) != getattr(now, name)
    }
    return Finding(
        kind=DriftKind.BALANCE,
        account=sides.client.account,
        subject=f"log entry {now.log_id}",
        detail={"changed": differing},
        blocks_entries=False,
    )


def _gone(sides: Sides, gone: set[str], window: Window[LogEntry]) -> Finding:
    return Finding(
        kind=DriftKind.BALANCE,
        account=sides.client.account,
        subject="log entries gone",
        detail={
            "entries": len(gone),
            "first": min(gone),
            "since": window.start.isoformat(),
            "until": window.end.isoformat(),
        },
        blocks_entries=False,
        same_while={"first": min(gone)},
    )


def _words(at: datetime | None) -> str:
    return "" if at is None else at.isoformat()
