"""Random histories in random order of arrival: the sums are those of the fills, folded or not, and as if made anew."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alpha.domain.errors import InvalidValue
from alpha.domain.fill import ExecType
from alpha.domain.ids import AccountName, BotId, ExecId, Symbol
from alpha.domain.side import Side
from alpha.ledger.connection import Connection, connect, transaction
from alpha.ledger.fills import FillRecorder, HeardFill
from alpha.ledger.heads import take_account
from alpha.ledger.rollup_check import check_days
from alpha.ledger.rollups import fold_closed_days, rebuild_rollups, set_reporting_zone
from tests.integration.ledger.heard import heard
from tests.integration.rollups.days import FIRST, LAST, at_hour
from tests.support import Database

_examples = itertools.count()
_SUMS = "fills, volume, maker_volume, fees, funding, trades, wins, losses, gross_pnl, net_pnl, won, lost"


@dataclass(frozen=True)
class Step:
    """Fills that arrive together, and whether days are folded afterwards."""

    fills: list[tuple[int, int, Side, Decimal, Decimal, Decimal, ExecType, bool]]
    folds: bool


_fills = st.tuples(
    st.integers(0, 60),  # hours
    st.integers(0, 3),  # bot and symbol
    st.sampled_from(Side),
    st.decimals("0.1", "3", places=1),
    st.decimals("90", "110", places=1),
    st.decimals("-0.5", "1", places=2),
    st.sampled_from([ExecType.TRADE] * 5 + [ExecType.FUNDING]),
    st.booleans(),
)
_steps = st.lists(st.builds(Step, fills=st.lists(_fills, min_size=1, max_size=8), folds=st.booleans()), max_size=5)


@pytest.fixture(scope="module")
def owner(module_database: Database) -> Iterator[Connection]:
    with closing(connect(module_database.owner, "tests")) as connection:
        set_reporting_zone(connection, "Asia/Kolkata")
        yield connection


@settings(max_examples=15, suppress_health_check=[HealthCheck.too_slow])
@given(steps=_steps)
def test_sums_are_those_of_the_fills_whenever_they_come(owner: Connection, steps: list[Step]) -> None:
    # given an account of the example's own, with two bots on two symbols
    number = next(_examples)
    account = AccountName(f"law_{number}")
    recorder = FillRecorder(owner, {account: take_account(owner, account, "tests")})
    n = itertools.count()
    for step in steps:
        recorder.record([_heard(account, number, next(n), *fill) for fill in step.fills])
        if step.folds:
            fold_closed_days(owner)
    # then nothing differs from the fills
    for bot in _bots(number):
        assert check_days(owner, FIRST, LAST, bot) == []


def test_all_of_them_are_the_same_folded_and_made_anew(owner: Connection) -> None:
    # after the examples above, whose days are partly folded
    kept = _sums(owner)
    assert len(kept["bot_daily_performance"]) > 1
    assert check_days(owner, FIRST, LAST) == []
    fold_closed_days(owner)
    assert _sums(owner) == kept
    assert check_days(owner, FIRST, LAST) == []
    rebuild_rollups(owner)
    assert _sums(owner) == kept


def test_days_that_cannot_be_are_refused(owner: Connection) -> None:
    with pytest.raises(InvalidValue, match="before they begin"):
        check_days(owner, LAST, FIRST)
    with pytest.raises(InvalidValue, match="9999-12-31 is no day of any market"):
        check_days(owner, FIRST, date.max)


def _bots(example: int) -> tuple[BotId, BotId]:
    return BotId(f"law_{example}_0"), BotId(f"law_{example}_1")


def _heard(
    account: AccountName,
    example: int,
    n: int,
    hour: int,
    whose: int,
    side: Side,
    quantity: Decimal,
    price: Decimal,
    fee: Decimal,
    exec_type: ExecType,
    is_maker: bool,
) -> HeardFill:
    fill = at_hour(
        hour,
        side,
        quantity,
        at=price,
        fee=fee,
        symbol=Symbol(f"S{whose % 2}USDT"),
        exec_type=exec_type,
        is_maker=is_maker,
    )
    return heard(
        replace(fill, exec_id=ExecId(f"{example}-{n}"), exec_time=fill.exec_time + timedelta(milliseconds=n)),
        _bots(example)[whose // 2],
        account=account,
    )


def _sums(connection: Connection) -> dict[str, list[tuple[object, ...]]]:
    found = {}
    with transaction(connection) as cursor:
        for view in ("bot_daily_performance", "portfolio_daily_performance"):
            for suffix in ("", "_local"):
                key = "bot, day" if view.startswith("bot") else "day"
                cursor.execute(f"SELECT {key}, {_SUMS} FROM trading.{view}{suffix} ORDER BY {key}")
                found[view + suffix] = cursor.fetchall()
    return found
