"""A bot's database under two listeners that take turns, flushes and repeats, against a model of it.

Whatever the order: the stream is a piece of the ledger without a hole or a repeat, a reader gets each fill once, a
position never goes back, and a listener whose epoch is gone changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
import redis
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from alpha.domain.position import Position
from alpha.ledger.fill_rows import RecordedFill
from alpha.live import fill_stream, positions
from alpha.live import refill as refilling
from alpha.live.bot_database import (
    BotStep,
    ClaimAnswer,
    NotTheWriter,
    Standing,
    claim_answer,
    claim_command,
    epoch_held,
    take_step,
)
from alpha.live.bot_keys import fills_key
from alpha.live.connection import RedisAddress, open_redis
from alpha.live.databases import execute
from alpha.live.fill_stream import CursorTooOld
from alpha.live.positions import LivePosition
from alpha.live.wire import now
from tests.integration.listener.recorded import recorded
from tests.unit.domain.fills import BTCUSDT, START
from tests.unit.listener.accounts import ONE

ROW = (BTCUSDT, 0)
WRITERS = st.sampled_from([0, 1])
MOSTLY = st.sampled_from([True, True, True, False])


@dataclass
class Listener:
    """One of two; `epoch` is what it believes to hold."""

    epoch: int = 0
    looked_at: tuple[int, int] | None = None
    """The end of the stream and the ledger's head as it has read them, to be acted on later."""


class TwoListeners(RuleBasedStateMachine):
    """The ledger is a list: fill n has the number n + 1."""

    client: redis.Redis

    @initialize()
    def begin(self) -> None:
        self.client.flushall()
        self.ledger: list[RecordedFill] = []
        self.writers = [Listener(), Listener()]
        self.taken = 0
        self.read_up_to = 0
        self.read: list[int] = []
        self.shown: tuple[int, Any] | None = None
        self.takes_the_account(0, claims=True)
        self.fills_are_committed(10)

    @property
    def holder(self) -> int:
        """Which of the two has taken the account last."""
        return 0 if self.writers[0].epoch > self.writers[1].epoch else 1

    @rule(count=st.integers(1, 5))
    def fills_are_committed(self, count: int) -> None:
        for _ in range(count):
            self.ledger.append(recorded(len(self.ledger) + 1))

    @rule(writer=WRITERS, claims=MOSTLY)
    def takes_the_account(self, writer: int, claims: bool) -> None:
        """In the ledger; Redis is told by the claim, which may come late or never."""
        self.taken += 1
        self.writers[writer].epoch = self.taken
        if claims:
            self._claim(writer)

    @rule(writer=WRITERS)
    def claims(self, writer: int) -> None:
        """A listener that does not hold the account any more claims only where an epoch is."""
        self._claim(writer)

    def _claim(self, writer: int) -> ClaimAnswer:
        before = epoch_held(self.client, ONE)
        epoch = self.writers[writer].epoch
        command = claim_command(ONE, epoch, [ROW], may_create=writer == self.holder)
        answer = claim_answer(execute(self.client, command), ONE, [ROW])
        allowed = (before is None and writer == self.holder) or (before is not None and before <= epoch)
        assert (answer.standing is Standing.WRITTEN) == allowed
        return answer

    @rule(claims=MOSTLY)
    def redis_is_flushed(self, claims: bool) -> None:
        self.client.flushall()
        self.shown = None
        if claims:
            self._claim(self.holder)

    @rule(writer=WRITERS, first=st.integers(0, 20), count=st.integers(1, 8), held=MOSTLY)
    def publishes_some_fills(self, writer: int, first: int, count: int, held: bool) -> None:
        """Late, twice, with a hole before them: whatever a batch may be after a fault."""
        writer = self.holder if held else writer
        first %= len(self.ledger)
        fills = self.ledger[first : first + count]
        self._written(
            writer, BotStep(bot=ONE, epoch=self.writers[writer].epoch, fills=[_entry(fill) for fill in fills])
        )

    @rule(writer=WRITERS)
    def looks_for_what_the_stream_lacks(self, writer: int) -> None:
        self.writers[writer].looked_at = (fill_stream.last_seq(self.client, ONE), len(self.ledger))

    @rule(writer=WRITERS)
    def fills_the_stream_with_what_it_found_lacking(self, writer: int) -> None:
        listener = self.writers[writer]
        if listener.looked_at is None:
            return
        (last, head), listener.looked_at = listener.looked_at, None
        connection: Any = self.ledger
        try:
            refilling.refill(connection, self.client, ONE, epoch=listener.epoch, last=last, head=head)
        except NotTheWriter:
            assert epoch_held(self.client, ONE) != listener.epoch

    @rule(writer=WRITERS, held=MOSTLY, seq=st.integers(0, 6), second=st.integers(0, 2))
    def shows_a_position(self, writer: int, held: bool, seq: int, second: int) -> None:
        writer = self.holder if held else writer
        epoch = self.writers[writer].epoch
        at = START + timedelta(seconds=second)
        row = LivePosition(
            bot=ONE,
            symbol=BTCUSDT,
            position=Position(Decimal(seq + 1), Decimal(100)),
            seq=seq,
            epoch=epoch,
            changed_at=at,
            updated_at=now(),
        )
        if self._written(writer, BotStep(bot=ONE, epoch=epoch, positions=[row])):
            self.shown = max((seq, at), self.shown) if self.shown else (seq, at)

    @rule()
    def the_bot_reads(self) -> None:
        try:
            fills = fill_stream.read(self.client, ONE, after=self.read_up_to, limit=3)
        except CursorTooOld:
            fills = self.ledger[self.read_up_to : self.read_up_to + 3]
        self.read += [fill.bot_seq or 0 for fill in fills]
        self.read_up_to = self.read[-1] if self.read else 0

    def _written(self, writer: int, step: BotStep) -> bool:
        held = epoch_held(self.client, ONE)
        before = self._contents()
        answer = take_step(self.client, step)
        assert (answer.standing is Standing.WRITTEN) == (held == self.writers[writer].epoch)
        if answer.standing is not Standing.WRITTEN:
            assert self._contents() == before
        return answer.standing is Standing.WRITTEN

    def _contents(self) -> tuple[Any, Any]:
        return self.client.xrange(fills_key(ONE)), positions.read(self.client, ONE, BTCUSDT)

    @invariant()
    def the_stream_is_a_piece_of_the_ledger(self) -> None:
        if not hasattr(self, "ledger"):
            return
        entries: Any = self.client.xrange(fills_key(ONE))
        numbers = [int(entry_id.split("-")[0]) for entry_id, _ in entries]
        assert numbers == list(range(numbers[0], numbers[-1] + 1)) if numbers else True
        assert [entry["fill"] for _, entry in entries] == [_entry(self.ledger[number - 1])[1] for number in numbers]

    @invariant()
    def the_bot_has_read_each_fill_once(self) -> None:
        if hasattr(self, "read"):
            assert self.read == list(range(1, len(self.read) + 1))

    @invariant()
    def the_position_is_the_newest_that_was_shown(self) -> None:
        if not hasattr(self, "shown"):
            return
        found = positions.read(self.client, ONE, BTCUSDT)
        assert (None if found is None else (found.seq, found.changed_at)) == self.shown

    @precondition(lambda self: len(self.ledger) > 0)
    @rule(writer=WRITERS)
    def after_any_of_this_the_holder_brings_everything_back(self, writer: int) -> None:  # noqa: ARG002
        if self.writers[self.holder].epoch == 0:
            return
        self._claim(self.holder)
        self.looks_for_what_the_stream_lacks(self.holder)
        self.fills_the_stream_with_what_it_found_lacking(self.holder)
        assert fill_stream.last_seq(self.client, ONE) == len(self.ledger)


def _entry(fill: RecordedFill) -> tuple[int, str]:
    return fill.bot_seq or 0, fill_stream.fill_to_json(fill)


def test_the_laws_hold_in_any_interleaving(redis_address: RedisAddress, monkeypatch: pytest.MonkeyPatch) -> None:
    def fills_after(ledger: Any, _: object, after: int, limit: int) -> list[RecordedFill]:
        return [replace(fill) for fill in ledger[after : after + limit]]

    monkeypatch.setattr(refilling, "fills_after", fills_after)
    monkeypatch.setattr(refilling, "BEGUN_WITH", 5)
    with open_redis(redis_address, 0) as client:
        TwoListeners.client = client
        run_state_machine_as_test(TwoListeners)  # type: ignore[no-untyped-call]
