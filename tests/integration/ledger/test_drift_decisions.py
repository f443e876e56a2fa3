"""What a person says to a drift: resolved is over, accepted is known, and what changes has to be said again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

import pytest

from alpha.domain.ids import BotId
from alpha.ledger.connection import Connection
from alpha.ledger.drift import (
    DriftKind,
    Finding,
    accept_drift,
    add_changed_drift,
    add_drift,
    blocked_bots,
    entry_blocks,
    open_drift,
    resolve_drift,
)
from alpha.ledger.registry import AccountKind, RegisteredAccount, RegisteredBot, sync_registry
from tests.integration.ledger.heard import BOT, MAIN
from tests.unit.domain.fills import BTCUSDT
from websocket_listener.live_positions import Disagreement
from websocket_listener.position_drift import accepted_differences, finding_of

OTHER = BotId("other_001")


def differs(exchange: str, fills: str, *bots: BotId) -> Finding:
    """A position drift of a row."""
    return finding_of(
        MAIN,
        Disagreement(
            symbol=BTCUSDT,
            position_idx=0,
            bots=bots or (BOT,),
            exchange_quantity=Decimal(exchange),
            fold_quantity=Decimal(fills),
        ),
    )


@pytest.fixture
def two_bots(writer: Connection) -> Connection:
    """A ledger in which two bots share the account."""
    sync_registry(
        writer,
        [RegisteredAccount(account=MAIN, kind=AccountKind.PAPER)],
        [
            RegisteredBot(bot=bot, code=f"b{n}", account=MAIN, strategy="s:S", symbols=[BTCUSDT], redis_db=n)
            for n, bot in enumerate((BOT, OTHER))
        ],
    )
    return writer


def the_only(connection: Connection) -> int:
    (found,) = open_drift(connection)
    return found.number


def test_a_bots_drift_blocks_that_bot_alone(two_bots: Connection) -> None:
    add_drift(two_bots, [differs("1", "0")])
    assert blocked_bots(two_bots) == {BOT}


@pytest.mark.parametrize("bots", [(BOT, OTHER), ()], ids=["of two bots", "of nobody"])
def test_drift_that_is_no_single_bots_blocks_everybody_on_the_account(
    two_bots: Connection, bots: tuple[BotId, ...]
) -> None:
    add_drift(two_bots, [replace(differs("1", "0"), bot=bots[0] if len(bots) == 1 else None)])
    assert blocked_bots(two_bots) == {BOT, OTHER}


def test_an_accepted_drift_stays_open_and_blocks_nobody(writer: Connection) -> None:
    add_drift(writer, [differs("1", "0")])
    assert accept_drift(writer, the_only(writer), by="cli:jo", why="known")
    (accepted,) = open_drift(writer)
    assert accepted.accepted == "accepted by cli:jo: known"
    assert not accepted.blocks
    assert blocked_bots(writer) == frozenset()
    assert accepted_differences(entry_blocks(writer), MAIN) == {((BTCUSDT, 0), Decimal(1))}


def test_accepting_again_or_what_is_over_says_no(writer: Connection) -> None:
    add_drift(writer, [differs("1", "0")])
    number = the_only(writer)
    assert accept_drift(writer, number, by="a", why="w")
    assert not accept_drift(writer, number, by="b", why="x")
    assert resolve_drift(writer, [number], by="c", resolution="mended") == 1
    assert not accept_drift(writer, number, by="d", why="y")


def test_found_again_unchanged_an_accepted_drift_stays_accepted(writer: Connection) -> None:
    add_changed_drift(writer, differs("1", "0"), by="listener")
    accept_drift(writer, the_only(writer), by="a", why="w")
    # when both sides have traded on and still differ by 1
    assert not add_changed_drift(writer, differs("1.5", "0.5"), by="listener")
    # then it is the same drift, counted
    (found,) = open_drift(writer)
    assert found.times == 2
    assert blocked_bots(writer) == frozenset()


def test_another_difference_blocks_again_and_so_does_the_accepted_one_when_it_comes_back(writer: Connection) -> None:
    add_changed_drift(writer, differs("1", "0"), by="listener")
    accept_drift(writer, the_only(writer), by="a", why="w")
    assert add_changed_drift(writer, differs("2", "0"), by="listener")
    assert blocked_bots(writer) == {BOT}
    accept_drift(writer, the_only(writer), by="a", why="this too")
    assert blocked_bots(writer) == frozenset()
    # what was accepted before it changed was about another situation
    assert add_changed_drift(writer, differs("1", "0"), by="listener")
    assert blocked_bots(writer) == {BOT}


def test_after_an_agreement_the_same_difference_blocks_again(writer: Connection) -> None:
    add_drift(writer, [differs("1", "0")])
    number = the_only(writer)
    accept_drift(writer, number, by="a", why="w")
    assert resolve_drift(writer, [number], by="listener", resolution="agree again") == 1
    add_drift(writer, [differs("1", "0")])
    assert blocked_bots(writer) == {BOT}


def test_a_fill_told_in_two_ways_can_be_accepted_too(writer: Connection) -> None:
    detail = {"fee": {"recorded": "1", "reported": "2"}}
    finding = Finding(kind=DriftKind.FILL_CONTENT, account=MAIN, bot=BOT, subject="exec-1", detail=detail)
    add_drift(writer, [finding])
    accept_drift(writer, the_only(writer), by="a", why="support confirmed 1")
    add_drift(writer, [finding])
    assert blocked_bots(writer) == frozenset()
    add_drift(writer, [replace(finding, detail={"fee": {"recorded": "1", "reported": "3"}})])
    assert blocked_bots(writer) == {BOT}


def test_a_commander_may_accept_and_resolve(two_bots: Connection, login: Callable[[str], Connection]) -> None:
    commander = login("commander")
    add_drift(two_bots, [differs("1", "0")])
    assert accept_drift(commander, the_only(two_bots), by="a", why="w")
    assert resolve_drift(commander, [the_only(two_bots)], by="a", resolution="mended") == 1
