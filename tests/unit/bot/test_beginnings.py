from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from alpha.bot import beginnings
from alpha.bot.beginnings import Beginnings
from alpha.bot.checkpoint import Checkpoint
from alpha.bot.progress import Progress
from alpha.config.registry import BotConfig
from alpha.domain.ids import AccountName, BotId
from alpha.domain.position import FLAT
from alpha.domain.side import Side
from alpha.domain.trade import BookKey
from alpha.ledger.connection import LedgerUnavailable
from alpha.ledger.folding import OpeningPosition
from tests.unit.bot.parts import BTC, ETH, START, a_fill

BOT = BotConfig(
    id=BotId("bot_001"),
    code="bt",
    account=AccountName("main"),
    strategy="s:S",
    params={},
    redis_db=0,
    symbols=(BTC, ETH),
)


class Link:
    """The ledger, which answers with what it is given or is away."""

    def __init__(self) -> None:
        self.asked = 0
        self.away = False

    def run(self, work: Callable[[Any], Any]) -> Any:
        self.asked += 1
        if self.away:
            raise LedgerUnavailable("PostgreSQL is away")
        return work(None)


@pytest.fixture
def link(monkeypatch: pytest.MonkeyPatch) -> Link:
    key = BookKey(bot=BOT.id, account=BOT.account, symbol=BTC, position_idx=0)
    opening = OpeningPosition(key=key, position=FLAT, seq=None, at=START)
    monkeypatch.setattr(beginnings, "openings_of", lambda *_: [opening])
    return Link()


def begun(link: Link) -> Beginnings:
    progress = Progress(Checkpoint(), 0)
    progress.see(START + timedelta(days=3))
    return Beginnings(BOT, link, progress)  # type: ignore[arg-type]


def test_only_what_was_before_the_first_contact_is_in_the_beginning(link: Link) -> None:
    found = begun(link)
    assert found.include(a_fill(Side.BUY, "1", at=START - timedelta(days=30)))
    assert not found.include(a_fill(Side.BUY, "1", at=START + timedelta(days=1)))
    assert link.asked == 1
    # a symbol that the account did not have then has no beginning
    assert not found.include(a_fill(Side.BUY, "1", at=START - timedelta(days=30), symbol=ETH))


def test_a_fill_of_now_asks_nobody(link: Link) -> None:
    assert not begun(link).include(a_fill(Side.BUY, "1", at=START + timedelta(days=3)))
    assert link.asked == 0


def test_a_ledger_that_is_away_is_asked_again(link: Link) -> None:
    found, old = begun(link), a_fill(Side.BUY, "1", at=START - timedelta(days=30))
    link.away = True
    assert not found.include(old)
    link.away = False
    assert found.include(old)
