"""Executions as the exchange lists them against the fills of the ledger.

This service writes no fill: what is missing makes its interval unproven, and the listener reads that again.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from alpha.domain.fill import Fill
from alpha.domain.ids import ExecId, Symbol
from alpha.exchange.executions import ExecutionWindow, walk_windows
from alpha.ledger.coverage import mark_unproven
from alpha.ledger.drift import DriftKind, Finding, OpenDrift, add_drift, open_drift, resolve_drift
from alpha.ledger.reading import exec_ids_at_any_time, fills_between
from alpha.ledger.sync_status import MILLISECOND
from trade_sync_service.comparison import Found, Sides, Stretch, grouped
from trade_sync_service.proven import is_proven, proven_stretches

log = structlog.get_logger()

_BY = "trade_sync_service"
_APART = timedelta(minutes=10)
_LOOK_AGAIN_S = 0.5
_HISTORY = "history"
_NAMED = 100
"""Findings that get a row each; of more than these only the number is told."""

_FillKey = tuple[Symbol, ExecId]


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Fills that only one side has, and those that both have with another content (field -> exchange's, ledger's)."""

    missing: tuple[Fill, ...]
    extra: tuple[Fill, ...]
    differing: tuple[tuple[Fill, Mapping[str, tuple[str, str]]], ...]


def difference(told: Sequence[Fill], held: Sequence[Fill]) -> Difference:
    """Compares by (symbol, execution id), then field by field."""
    theirs = {(fill.symbol, fill.exec_id): fill for fill in told}
    ours = {(fill.symbol, fill.exec_id): fill for fill in held}
    both = ((theirs[key], theirs[key].differences(ours[key])) for key in theirs.keys() & ours.keys())
    return Difference(
        missing=_in_order([theirs[key] for key in theirs.keys() - ours.keys()]),
        extra=_in_order([ours[key] for key in ours.keys() - theirs.keys()]),
        differing=tuple((fill, fields) for fill, fields in both if fields),
    )


def compare_executions(sides: Sides, stretch: Stretch) -> Iterator[Found]:
    """Compares the executions of a stretch, part by part, oldest first. Raises UnknownMessage for one that cannot be
    read: a comparison with a hole is none."""
    for window in walk_windows(sides.client, stretch.start, stretch.end):
        if window.unreadable:
            raise window.unreadable[0]
        judged = _settled(sides, window)
        _doubt(sides, judged.lost)
        _write_down(sides, window, judged)
        _end_what_agrees(sides, window, judged)
        yield Found(
            through=window.end,
            rows=len(window.fills),
            open_from=judged.waiting[0].exec_time if judged.waiting else None,
            findings=judged.findings,
            detail="; ".join(_sentences(judged)),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Judged:
    """A difference that lasts. `lost` are the missing fills whose time was proven, `waiting` those that are still the
    listener's to recover; `gone`: the exchange lists nothing at all of what the ledger holds."""

    lost: tuple[Fill, ...]
    waiting: tuple[Fill, ...]
    extra: tuple[Fill, ...]
    differing: tuple[tuple[Fill, Mapping[str, tuple[str, str]]], ...]
    gone: bool

    @property
    def findings(self) -> int:
        return len(self.lost) + len(self.extra) + len(self.differing)


def _settled(sides: Sides, window: ExecutionWindow) -> _Judged:
    """What disagrees for as long as a difference may settle: a fill may be on its way into the ledger, and the
    exchange's list may lag behind its stream."""
    told: Sequence[Fill] = window.fills
    give_up = time.monotonic() + sides.timing.settle_s
    while True:
        judged = _judged(sides, window, told)
        if not judged.findings or time.monotonic() >= give_up:
            return judged
        time.sleep(_LOOK_AGAIN_S)
        told = [fill for part in walk_windows(sides.client, window.start, window.end) for fill in part.fills]


def _judged(sides: Sides, window: ExecutionWindow, told: Sequence[Fill]) -> _Judged:
    account, ledger = sides.client.account, sides.ledger
    # The ledger's upper bound is excluded.
    held = [each.fill for each in fills_between(ledger, account, window.start, window.end + MILLISECOND)]
    found = difference(told, held)
    # A fill that was told with two times is there once, under the first: the listener has made that drift.
    moved = exec_ids_at_any_time(ledger, account, [(fill.symbol, fill.exec_id) for fill in found.missing])
    missing = [fill for fill in found.missing if (fill.symbol, fill.exec_id) not in moved]
    proven = proven_stretches(ledger, account) if missing else ()
    return _Judged(
        lost=tuple(fill for fill in missing if is_proven(proven, fill.exec_time)),
        waiting=tuple(fill for fill in missing if not is_proven(proven, fill.exec_time)),
        extra=found.extra,
        differing=found.differing,
        gone=bool(held) and not told,
    )


def _doubt(sides: Sides, lost: Sequence[Fill]) -> None:
    account = sides.client.account
    for start, end in grouped([fill.exec_time for fill in lost], _APART):
        count = sum(start <= fill.exec_time <= end for fill in lost)
        why = f"{count} executions are not in the ledger"
        # An instant would be doubted without being read: both ends of a doubt stay proven.
        mark_unproven(sides.ledger, account, start - MILLISECOND, end + MILLISECOND, why)
        log.warning("interval_doubted", account=account, since=start, until=end, reason=why)


def _write_down(sides: Sides, window: ExecutionWindow, judged: _Judged) -> None:
    findings = [_missing(fill) for fill in judged.lost[:_NAMED]]
    if judged.gone:
        findings.append(_history_gone(sides, window, judged.extra))
    else:
        findings += [_extra(fill) for fill in judged.extra[:_NAMED]]
    findings += [_content(fill, fields) for fill, fields in judged.differing[:_NAMED]]
    if add_drift(sides.ledger, findings) and sides.alerts is not None:
        sides.alerts.alert(
            "history_gone" if judged.gone else "executions_differ",
            f"{sides.client.account}: {'; '.join(_sentences(judged))}",
            severity="error" if judged.extra or judged.differing else "warning",
            account=sides.client.account,
            since=window.start.isoformat(),
            until=window.end.isoformat(),
            first=[finding.subject for finding in findings[:5]],
        )


def _end_what_agrees(sides: Sides, window: ExecutionWindow, judged: _Judged) -> None:
    """Findings of this service about fills of the window that agree by now."""
    still: set[str] = {fill.exec_id for fill in (*judged.lost, *judged.waiting, *judged.extra)}
    if judged.gone:
        still.add(_HISTORY)
    over = [
        each.number
        for each in open_drift(sides.ledger, sides.client.account)
        if _is_mine(each, window) and each.finding.subject not in still
    ]
    if over:
        resolve_drift(sides.ledger, over, by=_BY, resolution="ledger and exchange agree again")


def _is_mine(drift: OpenDrift, window: ExecutionWindow) -> bool:
    finding = drift.finding
    at = finding.detail.get("exec_time")
    return (
        finding.kind in (DriftKind.MISSING_FILL, DriftKind.EXTRA_FILL)
        and isinstance(at, str)
        and window.start <= datetime.fromisoformat(at) <= window.end
    )


def _sentences(judged: _Judged) -> list[str]:
    said = []
    if judged.lost:
        said.append(
            f"{len(judged.lost)} executions are not in the ledger although their time was proven; the listener reads "
            "it again"
        )
    if judged.waiting:
        said.append(f"{len(judged.waiting)} executions wait for the listener to recover them")
    if judged.gone:
        said.append(
            f"the exchange lists none of the {len(judged.extra)} fills that the ledger holds: the account was reset, "
            "or the key is of another account"
        )
    elif judged.extra:
        said.append(f"{len(judged.extra)} fills of the ledger are unknown to the exchange")
    if judged.differing:
        said.append(f"{len(judged.differing)} fills differ from what the exchange lists")
    return said


def _missing(fill: Fill) -> Finding:
    return _finding(DriftKind.MISSING_FILL, fill, blocks_entries=False)


def _extra(fill: Fill) -> Finding:
    return _finding(DriftKind.EXTRA_FILL, fill, blocks_entries=True)


def _finding(kind: DriftKind, fill: Fill, *, blocks_entries: bool) -> Finding:
    return Finding(
        kind=kind,
        account=fill.account,
        symbol=fill.symbol,
        subject=fill.exec_id,
        detail={
            "exec_time": fill.exec_time.isoformat(),
            "side": fill.side.value,
            "quantity": str(fill.quantity),
            "price": str(fill.price),
            "order": fill.order_id,
        },
        blocks_entries=blocks_entries,
    )


def _content(fill: Fill, fields: Mapping[str, tuple[str, str]]) -> Finding:
    return Finding(
        kind=DriftKind.FILL_CONTENT,
        account=fill.account,
        symbol=fill.symbol,
        subject=fill.exec_id,
        detail={name: {"exchange": theirs, "ledger": ours} for name, (theirs, ours) in fields.items()},
    )


def _history_gone(sides: Sides, window: ExecutionWindow, extra: Sequence[Fill]) -> Finding:
    first = extra[0]
    return Finding(
        kind=DriftKind.EXTRA_FILL,
        account=sides.client.account,
        subject=_HISTORY,
        detail={"fills": len(extra), "exec_time": first.exec_time.isoformat(), "until": window.end.isoformat()},
        same_while={"kind": "history"},
    )


def _in_order(fills: Sequence[Fill]) -> tuple[Fill, ...]:
    return tuple(sorted(fills, key=lambda fill: fill.execution_order))
