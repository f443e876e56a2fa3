"""`alpha verify`: the exchange's own executions and positions against the ledger, field by field.

A market moves while it is compared. `until` is therefore fixed before anything is read, and whatever differs is looked
at again for a few seconds before it is called a difference: a fill may be on its way into the ledger, and the
exchange's list may lag behind its stream.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import click
import orjson
from rich.console import Console

from alpha.config import ConfigError, Registry, Settings, credentials, endpoints
from alpha.domain.clock import from_ms, to_ms
from alpha.domain.fill import AttributionMethod, Fill
from alpha.domain.ids import AccountName, ExecId, Symbol
from alpha.domain.position import ZERO
from alpha.exchange.budget import LocalBudget
from alpha.exchange.errors import ExchangeError, ExchangeUnknown, ExchangeUnreachable
from alpha.exchange.executions import MAX_WINDOW, MILLISECOND, walk_executions
from alpha.exchange.parse import LINEAR
from alpha.exchange.rest import ExchangeClient
from alpha.ledger.connection import Connection, connect
from alpha.ledger.coverage import start_of_account
from alpha.ledger.fill_rows import RecordedFill
from alpha.ledger.reading import fills_between, open_books

EQUAL, DIFFERENT, UNREACHABLE = 0, 1, 3

SETTLE_S = 3.0
"""For how long a difference may settle before it counts."""
_LOOK_AGAIN_S = 0.3
_REACH = timedelta(days=730)
_LISTED = 20

_FillKey = tuple[Symbol, ExecId]
_PositionKey = tuple[Symbol, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldDifference:
    """One field of one fill that the two tell differently."""

    exec_id: ExecId
    symbol: Symbol
    exec_time: datetime
    """As the exchange tells it."""
    field: str
    exchange: str
    ledger: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FeeTotal:
    """Sums over the interval in one currency: above 0 paid."""

    exchange: Decimal
    ledger: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class FillComparison:
    """What comparing two sets of fills found. Lists are in execution order."""

    exchange_fills: int
    ledger_fills: int
    missing: tuple[Fill, ...]
    """At the exchange and not in the ledger."""
    extra: tuple[Fill, ...]
    """In the ledger and unknown to the exchange."""
    repeated: tuple[Fill, ...]
    """In the ledger more than once: each row beyond the first."""
    differing: tuple[FieldDifference, ...]
    fees: Mapping[str, FeeTotal]
    unattributed: int

    @property
    def equal(self) -> bool:
        fees_equal = all(total.exchange == total.ledger for total in self.fees.values())
        return fees_equal and not (self.missing or self.extra or self.repeated or self.differing)


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionDifference:
    """Signed base quantities of one position row that did not agree in any of the looks."""

    symbol: Symbol
    position_idx: int
    exchange: Decimal
    ledger: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionComparison:
    checked: int
    differing: tuple[PositionDifference, ...]
    not_ours: tuple[Symbol, ...]
    """Open at the exchange on symbols that no bot trades: nobody's book holds them, so they are not compared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyReport:
    """One account. The interval is market time, both ends included."""

    account: AccountName
    environment: str
    since: datetime
    until: datetime
    fills: FillComparison
    positions: PositionComparison
    notes: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        return self.fills.equal and not self.positions.differing

    def to_json(self) -> dict[str, Any]:
        """Plain values; money is text."""
        fills, positions = self.fills, self.positions
        return {
            "account": self.account,
            "environment": self.environment,
            "passed": self.passed,
            "since": self.since.isoformat(),
            "until": self.until.isoformat(),
            "exchange_fills": fills.exchange_fills,
            "ledger_fills": fills.ledger_fills,
            "missing": [fill.exec_id for fill in fills.missing],
            "extra": [fill.exec_id for fill in fills.extra],
            "repeated": [fill.exec_id for fill in fills.repeated],
            "differing": [
                {
                    "exec_id": found.exec_id,
                    "symbol": found.symbol,
                    "field": found.field,
                    "exchange": found.exchange,
                    "ledger": found.ledger,
                }
                for found in fills.differing
            ],
            "fees": {
                currency: {"exchange": _plain(total.exchange), "ledger": _plain(total.ledger)}
                for currency, total in fills.fees.items()
            },
            "unattributed": fills.unattributed,
            "positions_checked": positions.checked,
            "positions_differing": [
                {
                    "symbol": found.symbol,
                    "position_idx": found.position_idx,
                    "exchange": _plain(found.exchange),
                    "ledger": _plain(found.ledger),
                }
                for found in positions.differing
            ],
            "positions_not_ours": list(positions.not_ours),
            "notes": list(self.notes),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyResult:
    """All accounts asked for, and those that could not be compared, with the reason."""

    reports: tuple[VerifyReport, ...]
    failed: Mapping[AccountName, ExchangeError] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        return not self.failed and all(report.passed for report in self.reports)

    @property
    def exit_code(self) -> int:
        """1 on any difference or refusal, 3 when an exchange gave no answer, 0 when all is equal."""
        if not all(report.passed for report in self.reports):
            return DIFFERENT
        if any(not isinstance(error, ExchangeUnreachable | ExchangeUnknown) for error in self.failed.values()):
            return DIFFERENT
        return UNREACHABLE if self.failed else EQUAL

    def to_json(self) -> dict[str, Any]:
        not_compared = [
            {"account": account, "passed": False, "error": str(error), "missing": [], "extra": [], "differing": []}
            for account, error in self.failed.items()
        ]
        return {"passed": self.passed, "accounts": [*(report.to_json() for report in self.reports), *not_compared]}


def verify_account(
    client: ExchangeClient,
    ledger: Connection,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    symbols: Iterable[Symbol] | None = None,
    settle_s: float = SETTLE_S,
) -> VerifyReport:
    """Compares one account over [since, until], market time.

    `until` defaults to the exchange's market time, `since` to the account's first contact, or to 7 days before `until`
    where there was none yet; nothing before the first contact is compared, as the ledger begins there. `symbols` are
    those that bots trade; None compares the positions of all. Raises ExchangeError, LedgerError, and ConfigError for
    an interval that ends before it begins.
    """
    until = _fixed_until(client, until)
    since, notes = _fixed_since(since, until, start_of_account(ledger, client.account))
    fills = _compare_fills(client, ledger, since, until, settle_s)
    positions = _compare_positions(client, ledger, frozenset(symbols) if symbols is not None else None, settle_s)
    return VerifyReport(
        account=client.account,
        environment=client.endpoints.environment,
        since=since,
        until=until,
        fills=fills,
        positions=positions,
        notes=notes,
    )


def compare_fills(exchange: Iterable[Fill], ledger: Iterable[RecordedFill]) -> FillComparison:
    """Compares by (symbol, execution id) and then field by field."""
    theirs: dict[_FillKey, Fill] = {(fill.symbol, fill.exec_id): fill for fill in exchange}
    ours: dict[_FillKey, Fill] = {}
    repeated: list[Fill] = []
    unattributed = 0
    fees: defaultdict[str, list[Decimal]] = defaultdict(lambda: [ZERO, ZERO])
    for recorded in ledger:
        fill = recorded.fill
        unattributed += recorded.attribution.method is AttributionMethod.NONE
        fees[fill.fee_currency][1] += fill.fee
        if (fill.symbol, fill.exec_id) in ours:
            repeated.append(fill)
        else:
            ours[fill.symbol, fill.exec_id] = fill
    for fill in theirs.values():
        fees[fill.fee_currency][0] += fill.fee
    differing = [
        FieldDifference(
            exec_id=fill.exec_id,
            symbol=fill.symbol,
            exec_time=fill.exec_time,
            field=name,
            exchange=said,
            ledger=stored,
        )
        for key, fill in theirs.items()
        if key in ours
        for name, (said, stored) in fill.differences(ours[key]).items()
    ]
    return FillComparison(
        exchange_fills=len(theirs),
        ledger_fills=len(ours) + len(repeated),
        missing=_in_order(theirs[key] for key in theirs.keys() - ours.keys()),
        extra=_in_order(ours[key] for key in ours.keys() - theirs.keys()),
        repeated=tuple(repeated),
        differing=tuple(differing),
        fees={currency: FeeTotal(exchange=one, ledger=other) for currency, (one, other) in sorted(fees.items())},
        unattributed=unattributed,
    )


def run_verify(
    settings: Settings,
    registry: Registry,
    environ: Mapping[str, str],
    *,
    account: str | None,
    since: datetime | None,
    until: datetime | None,
    as_json: bool,
) -> int:
    """The command: compares one account or all, prints, and answers the exit code."""
    chosen = [registry.account(account)] if account is not None else list(registry.accounts.values())
    reports: list[VerifyReport] = []
    failed: dict[AccountName, ExchangeError] = {}
    # Needs no Redis: it keeps to its share of the limits by itself.
    budget = LocalBudget()
    with closing(connect(settings.dsn(), "alpha-verify", statement_timeout_s=60)) as ledger:
        for config in chosen:
            client = ExchangeClient(
                config.name, endpoints(config, settings), credentials(config, environ), budget=budget
            )
            traded = registry.traded_on(config.name)
            with closing(client):
                try:
                    reports.append(verify_account(client, ledger, since=since, until=until, symbols=traded))
                except ExchangeError as error:
                    failed[config.name] = error
    result = VerifyResult(reports=tuple(reports), failed=failed)
    if as_json:
        click.echo(orjson.dumps(result.to_json()).decode())
    else:
        _render(result)
    return result.exit_code


def _fixed_until(client: ExchangeClient, until: datetime | None) -> datetime:
    now = client.market_time()
    return now if until is None else min(until, now)


def _fixed_since(
    since: datetime | None, until: datetime, first_contact: datetime | None
) -> tuple[datetime, tuple[str, ...]]:
    notes: list[str] = []
    if since is None:
        since = first_contact if first_contact is not None else until - MAX_WINDOW
        if first_contact is None:
            notes.append("the ledger has not had contact with this account yet: compared the last 7 days")
    elif first_contact is not None and since < first_contact:
        since = first_contact
        notes.append(f"the ledger begins at {first_contact.isoformat()}, the first contact: nothing before is compared")
    if since < until - _REACH:
        since = until - _REACH
        notes.append("the exchange keeps executions for 2 years: nothing before is compared")
    if since > until:
        raise ConfigError(f"--since {since.isoformat()} is after the end, {until.isoformat()} (market time)")
    return from_ms(to_ms(since)), tuple(notes)


def _compare_fills(
    client: ExchangeClient, ledger: Connection, since: datetime, until: datetime, settle_s: float
) -> FillComparison:
    def exchange_from(start: datetime) -> list[Fill]:
        return [fill for window in walk_executions(client, start, until) for fill in window]

    def ledger_from(start: datetime) -> list[RecordedFill]:
        # Its upper bound is excluded.
        found = fills_between(ledger, client.account, start, until + MILLISECOND)
        return [recorded for recorded in found if recorded.fill.category == LINEAR]

    exchange, recorded = exchange_from(since), ledger_from(since)
    compared = compare_fills(exchange, recorded)
    for _ in _looks(settle_s):
        unsettled = [fill.exec_time for fill in (*compared.missing, *compared.extra)]
        if not unsettled:
            break
        # Only from the first that is not yet at both sides; what is before has been compared.
        start = min(unsettled)
        exchange = [fill for fill in exchange if fill.exec_time < start] + exchange_from(start)
        recorded = [one for one in recorded if one.fill.exec_time < start] + ledger_from(start)
        compared = compare_fills(exchange, recorded)
    return compared


def _compare_positions(
    client: ExchangeClient, ledger: Connection, symbols: frozenset[Symbol] | None, settle_s: float
) -> PositionComparison:
    def look() -> tuple[set[_PositionKey], dict[_PositionKey, PositionDifference], set[Symbol]]:
        theirs = {
            (row.symbol, row.position_idx): row.position.quantity
            for row in client.positions()
            if not row.position.is_flat
        }
        ours: defaultdict[_PositionKey, Decimal] = defaultdict(Decimal)
        for book in open_books(ledger, client.account):
            ours[book.key.symbol, book.key.position_idx] += book.position.quantity
        not_ours = {
            symbol
            for symbol, idx in theirs
            if symbols is not None and symbol not in symbols and (symbol, idx) not in ours
        }
        keys = {key for key in theirs.keys() | ours.keys() if key[0] not in not_ours}
        differing = {
            key: PositionDifference(
                symbol=key[0],
                position_idx=key[1],
                exchange=theirs.get(key, ZERO),
                ledger=ours.get(key, ZERO),
            )
            for key in keys
            if theirs.get(key, ZERO) != ours.get(key, ZERO)
        }
        return keys, differing, not_ours

    checked, differing, not_ours = look()
    for _ in _looks(settle_s):
        if not differing:
            break
        keys, still, _ = look()
        checked |= keys
        # One look at which they agree is enough: a fill on its way explains the others.
        differing = {key: found for key, found in still.items() if key in differing}
    return PositionComparison(
        checked=len(checked),
        differing=tuple(differing[key] for key in sorted(differing)),
        not_ours=tuple(sorted(not_ours)),
    )


def _looks(settle_s: float) -> Iterable[None]:
    """Further looks, a pause before each, until the time is over."""
    give_up = time.monotonic() + settle_s
    while time.monotonic() < give_up:
        time.sleep(_LOOK_AGAIN_S)
        yield


def _in_order(fills: Iterable[Fill]) -> tuple[Fill, ...]:
    return tuple(sorted(fills, key=lambda fill: fill.execution_order))


def _plain(number: Decimal) -> str:
    return format(number, "f")


def _render(result: VerifyResult, console: Console | None = None) -> None:
    out = console or Console(soft_wrap=True, highlight=False)

    def say(line: str, style: str | None = None) -> None:
        out.print(line, style=style, markup=False)

    def listed(what: str, items: Iterable[str]) -> None:
        lines = list(items)
        if lines:
            say(f"  {what}: {len(lines)}", "red")
            for line in lines[:_LISTED]:
                say(f"    {line}")
            if len(lines) > _LISTED:
                say(f"    and {len(lines) - _LISTED} more; --json lists all")

    for report in result.reports:
        fills, positions = report.fills, report.positions
        verdict, style = ("equal", "green") if report.passed else ("DIFFERENT", "bold red")
        say(f"{report.account} ({report.environment}): {verdict}", style)
        say(f"  market time {report.since.isoformat()} to {report.until.isoformat()}")
        say(f"  fills: {fills.exchange_fills} at the exchange, {fills.ledger_fills} in the ledger")
        for currency, total in fills.fees.items():
            mark = "" if total.exchange == total.ledger else "  <- differ"
            say(f"  fees {currency}: {_plain(total.exchange)} / {_plain(total.ledger)}{mark}")
        listed("missing in the ledger", (_fill_line(fill) for fill in fills.missing))
        listed("unknown to the exchange", (_fill_line(fill) for fill in fills.extra))
        listed("more than once in the ledger", (_fill_line(fill) for fill in fills.repeated))
        listed(
            "fields that differ",
            (
                f"{found.exec_id} {found.symbol} {found.field}: exchange {found.exchange}, ledger {found.ledger}"
                for found in fills.differing
            ),
        )
        say(f"  positions: {positions.checked} compared, {len(positions.differing)} different")
        for found in positions.differing:
            row = f" [{found.position_idx}]" if found.position_idx else ""
            say(f"    {found.symbol}{row}: exchange {_plain(found.exchange)}, ledger {_plain(found.ledger)}")
        if positions.not_ours:
            say(f"  not compared, no bot trades them: {', '.join(positions.not_ours)}")
        if fills.unattributed:
            say(f"  unattributed fills: {fills.unattributed}", "yellow")
        for note in report.notes:
            say(f"  note: {note}")
    for error in result.failed.values():
        say(f"not compared: {error}", "bold red")


def _fill_line(fill: Fill) -> str:
    return (
        f"{fill.exec_id} {fill.exec_time.isoformat(timespec='milliseconds')} {fill.symbol} {fill.side} "
        f"{_plain(fill.quantity)} at {_plain(fill.price)}, fee {_plain(fill.fee)}"
    )
