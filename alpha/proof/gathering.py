"""The evidence on one account, read from the exchange and from the ledger until both stand still."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from alpha.config import ConfigError
from alpha.domain.ids import AccountName, Symbol
from alpha.exchange.executions import MILLISECOND
from alpha.exchange.rest import ExchangeClient
from alpha.ledger.account_log import balances_before, log_between
from alpha.ledger.completed_trades import completed_between
from alpha.ledger.connection import Connection
from alpha.ledger.coverage import intervals, proven_intervals
from alpha.ledger.proofs import ledger_clock
from alpha.ledger.rebuild import rebuild_account
from alpha.ledger.rollup_check import check_days
from alpha.proof.days import day_of
from alpha.proof.judge import Evidence, judge
from alpha.proof.ledger_fold import Folded, fold_ledger
from alpha.proof.pairing import SAME_EVENT
from alpha.proof.verdict import AccountProof
from alpha.verify import SETTLE_S, verify_account

COVERED_WITHIN_S = 15.0
"""The listener proves what is past every few seconds, after the exchange's lag."""
_LOOK_AGAIN_S = 0.5

Refresh = Callable[[datetime], None]
"""Brings the exchange's transaction log and closed P&L into the ledger up to a market time."""


def prove_account(
    client: ExchangeClient,
    ledger: Connection,
    refresh: Refresh,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    symbols: Iterable[Symbol] | None = None,
    settle_s: float = SETTLE_S,
    covered_within_s: float = COVERED_WITHIN_S,
) -> AccountProof:
    """Judges one account over [since, until], market time; by default from its first contact until now.

    `symbols` are those that bots trade. Raises ExchangeError, LedgerError, and ConfigError for an interval that has not
    begun or ends before it begins.
    """
    account = client.account
    now = client.market_time()
    if since is not None and since > now:
        raise ConfigError(f"{day_of(since)} has not begun: for account {account} it is {now.isoformat()} (market time)")
    until = now if until is None else min(until, now)
    _wait_for_coverage(ledger, account, until, covered_within_s)
    verified = verify_account(client, ledger, since=since, until=until, symbols=symbols, settle_s=settle_s)
    since, until = verified.since, verified.until
    after = until + SAME_EVENT + MILLISECOND
    ledger_read_at = ledger_clock(ledger)
    unproven = _unproven(ledger, account, since, until)
    rebuilt = rebuild_account(ledger, account, mend=False)
    wrong_sums = check_days(ledger, day_of(since), day_of(until))
    folded: Folded | None = None
    give_up = time.monotonic() + settle_s
    while True:
        asked_from = client.market_time()
        wallet = {coin.coin: coin.wallet_balance for coin in client.wallet().coins}
        asked_until = client.market_time()
        refresh(asked_until)
        log_read_at = ledger_clock(ledger)
        completed = completed_between(ledger, account, since - SAME_EVENT, asked_until + MILLISECOND)
        closed = {row.order_id for row in completed}
        if folded is None or not closed <= folded.orders:
            folded = fold_ledger(ledger, account, since - SAME_EVENT, after, closed)
        proof = judge(
            Evidence(
                verified=verified,
                unproven=unproven,
                bookings=folded.bookings,
                closings=folded.closings,
                unowned=folded.unowned,
                log=log_between(ledger, account, since - SAME_EVENT, after),
                balances_before=balances_before(ledger, account, since),
                completed=completed,
                wallet=wallet,
                log_balances=_balances_while_asked(ledger, account, asked_from, asked_until),
                rebuilt=rebuilt,
                wrong_sums=wrong_sums,
                ledger_read_at=ledger_read_at,
                log_read_at=log_read_at,
            )
        )
        if proof.proven or time.monotonic() >= give_up:
            return proof
        # The log and the closed P&L are lists as well, and may lag behind the executions.
        time.sleep(_LOOK_AGAIN_S)


def _wait_for_coverage(ledger: Connection, account: AccountName, until: datetime, within_s: float) -> None:
    """Until the listener has proven the account to this time; what is not proven then is a finding."""
    give_up = time.monotonic() + within_s
    while True:
        proven = proven_intervals(intervals(ledger, account))
        if not proven or proven[-1][1] >= until or time.monotonic() >= give_up:
            return
        time.sleep(_LOOK_AGAIN_S)


def _unproven(
    ledger: Connection, account: AccountName, since: datetime, until: datetime
) -> Sequence[tuple[datetime, datetime]]:
    """What of the interval is not proven, oldest first. What the exchange keeps no more is not proven either."""
    found = []
    edge = since
    for start, end in proven_intervals(intervals(ledger, account)):
        if start - edge > timedelta(0) and edge < until:
            found.append((edge, min(start, until)))
        edge = max(edge, end)
    if edge < until:
        found.append((edge, until))
    return found


def _balances_while_asked(
    ledger: Connection, account: AccountName, asked_from: datetime, asked_until: datetime
) -> Mapping[str, Sequence[Decimal]]:
    """What each coin's balance was when the wallet was asked for, and what it became meanwhile."""
    before = balances_before(ledger, account, asked_from)
    found: defaultdict[str, list[Decimal]] = defaultdict(list, {coin: [held] for coin, held in before.items()})
    for entry in log_between(ledger, account, asked_from, asked_until + MILLISECOND):
        found[entry.currency].append(entry.balance)
    return found
