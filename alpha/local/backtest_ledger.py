"""A backtest into PostgreSQL, the way every fill goes there: through the ledger's recorder."""

from __future__ import annotations

import os
import socket
from contextlib import closing
from datetime import UTC, datetime

from alpha.config.settings import load_settings
from alpha.ledger.connection import Connection, LedgerRefused, connect
from alpha.ledger.fills import FillRecorder
from alpha.ledger.heads import take_account
from alpha.ledger.reading import bot_head, fills_after
from alpha.ledger.registry import AccountKind, RegisteredAccount, RegisteredBot, sync_registry
from alpha.local.attach import environment_of
from alpha.local.backtest_rows import heard_fills
from alpha.local.backtesting import strategy_name
from backtest.outcome import Outcome
from backtest.report import as_json

_BATCH = 1000
_NO_REDIS = -1
"""A backtest lives in no Redis database."""


def check_ledger() -> None:
    """Raises NotRunning without a platform, and LedgerUnavailable."""
    connect(load_settings(environment_of("listener")).dsn(), "alpha-backtest").close()


def record_outcome(outcome: Outcome) -> str:
    """Records run, parameters, fills and trades; answers one sentence. Recording the same run again changes nothing;
    where the recording was killed, it goes on.

    Raises NotRunning without a platform, LedgerUnavailable, or LedgerRefused.
    """
    settings = load_settings(environment_of("listener"))
    with closing(connect(settings.dsn(), "alpha-backtest")) as connection:
        return record_with(connection, outcome)


def record_with(connection: Connection, outcome: Outcome) -> str:
    """The same over a connection of the ledger's writer."""
    plan = outcome.plan
    known = bot_head(connection, plan.bot)
    if known and not _begins_with_what_is_stored(connection, outcome):
        raise LedgerRefused(
            f"run {plan.code} was recorded before with other fills, and the ledger never changes one: the candles or "
            "the program are not what they were; run it with another --balance or --from to record it beside"
        )
    sync_registry(
        connection,
        [RegisteredAccount(account=plan.account, kind=AccountKind.BACKTEST)],
        [
            RegisteredBot(
                bot=plan.bot,
                code=plan.code,
                account=plan.account,
                strategy=strategy_name(plan.strategy),
                symbols=plan.symbols,
                redis_db=_NO_REDIS,
                capital_usdt=plan.capital,
                params={"backtest": as_json(outcome)},
            )
        ],
    )
    if known < len(outcome.fills):
        holder = f"backtest:{socket.gethostname()}:{os.getpid()}"
        recorder = FillRecorder(connection, {plan.account: take_account(connection, plan.account, holder)})
        now = datetime.now(UTC)
        for first in range(known, len(outcome.fills), _BATCH):
            recorder.record(heard_fills(outcome.fills[first : first + _BATCH], plan.bot, now))
    return (
        f"{'was recorded before' if 0 < known == len(outcome.fills) else 'recorded'} as bot {plan.bot} on account "
        f"{plan.account}: "
        f"{len(outcome.fills)} fills, {len(outcome.trades)} trades"
    )


def _begins_with_what_is_stored(connection: Connection, outcome: Outcome) -> bool:
    """Whether the ledger holds the first of these fills and no other: all of them, or as many as there were batches
    before the recording was killed."""
    after = 0
    while stored := fills_after(connection, outcome.plan.bot, after):
        ours = outcome.fills[after : after + len(stored)]
        if [each.fill for each in stored] != [each.fill for each in ours]:
            return False
        after += len(stored)
    return True
