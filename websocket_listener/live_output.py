"""The live state's way into Redis: claims, fenced steps, health, wallets and the bus, each kind in one round trip."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

import redis
import structlog

from alpha.domain.ids import AccountName, BotId
from alpha.ledger.fill_rows import RecordedFill
from alpha.live import bus
from alpha.live.bot_database import (
    BotStep,
    ClaimAnswer,
    Standing,
    StepAnswer,
    claim_answer,
    claim_command,
    step_answer,
    step_command,
)
from alpha.live.databases import Command, CommandRefused, Databases, database_of
from alpha.live.health import ListenerHealth, listener_health_command
from alpha.live.order_stream import report_of
from alpha.live.positions import LivePosition
from alpha.live.wallet import wallet_command
from websocket_listener.account_live import AccountLive, BotLive, FillToTell
from websocket_listener.live_positions import Row

log = structlog.get_logger()
_ROUNDS = 4
_WRONG_KIND = "WRONGTYPE"


@dataclass(slots=True)
class Written:
    """What came of writing. `fenced`: a newer epoch writes for these accounts. `hole`: some stream of fills has to be
    filled from the ledger. `published`: fills that are in their streams now."""

    fenced: set[AccountName] = field(default_factory=set)
    hole: bool = False
    published: list[RecordedFill] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmation:
    """What is said every second: how the accounts are, and of which of them the positions are still so."""

    at: datetime
    healths: tuple[ListenerHealth, ...]
    live: frozenset[AccountName]


@dataclass(slots=True)
class _BotsPart:
    """A bot's step with what it was made of, to be forgotten when it is written."""

    live: AccountLive
    bot: BotLive
    step: BotStep
    fills: list[FillToTell]
    rows: list[LivePosition]


class LiveOutput:
    """Writes what waits of every account. One thread owns it.

    Nothing is forgotten before Redis has answered: what was cut off is written again, which changes nothing where it
    was done. After every new connection all databases are claimed and written again, since what is behind it may have
    been emptied or be an older copy; so is a database in which our epoch is missing.
    """

    def __init__(
        self,
        by_bot: Mapping[BotId, redis.Redis],
        state: redis.Redis,
        bus_client: redis.Redis,
        *,
        may_create: Callable[[AccountName], bool],
    ) -> None:
        self._databases = Databases(state)
        self._of_bot = {bot: database_of(client) for bot, client in by_bot.items()}
        self._state, self._bus = database_of(state), database_of(bus_client)
        self._may_create = may_create
        self.epochs_met: dict[AccountName, int] = {}
        """The highest epoch that Redis held of an account when it refused ours."""

    def close(self) -> None:
        self._databases.close()

    def write(
        self, accounts: Mapping[AccountName, AccountLive], at_s: float, confirmation: Confirmation | None = None
    ) -> Written:
        """Raises members of LIVE_ERRORS; then everything is to be written again. `at_s` is a monotonic clock."""
        written = Written()
        if not self._databases.is_connected:
            self._databases.connect()
            written.hole = True
            for live in accounts.values():
                live.doubt()
        confirmed = confirmation
        for _ in range(_ROUNDS):
            self._claim(self._still(accounts, written), at_s, written)
            doubtful = self._step(self._still(accounts, written), confirmed, written)
            confirmed = None
            if not doubtful:
                break
        # Behind the steps: what is not a bot's own is written by whoever may write the bots' databases.
        self._tell(self._still(accounts, written), confirmation, written)
        return written

    @staticmethod
    def _still(accounts: Mapping[AccountName, AccountLive], written: Written) -> list[AccountLive]:
        return [live for account, live in accounts.items() if account not in written.fenced]

    def _claim(self, accounts: Iterable[AccountLive], at_s: float, written: Written) -> None:
        asked = [(live, bot) for live in accounts for bot in live.bots.values() if not bot.claimed]
        if not asked:
            return
        commands = [
            (
                self._of_bot[bot.bot],
                claim_command(bot.bot, live.epoch, bot.rows, may_create=self._may_create(live.owners.account)),
            )
            for live, bot in asked
        ]
        for (live, bot), reply in zip(asked, self._databases.ask(commands), strict=True):
            answer = claim_answer(reply, bot.bot, bot.rows)
            if answer.standing is Standing.FENCED:
                self._fenced(live, answer.held, written)
            elif answer.standing is Standing.WRITTEN:
                self._claimed(live, bot, answer, at_s)
                written.hole = True

    def _claimed(self, live: AccountLive, bot: BotLive, answer: ClaimAnswer, at_s: float) -> None:
        lost = answer.held is None
        log.info("bot_database_claimed", bot=bot.bot, epoch=live.epoch, before=answer.held, positions=len(answer.rows))
        bot.claimed = True
        live.positions.inherited(answer.rows, at_s)
        live.write_again(bot, lost=lost)

    def _step(self, accounts: list[AccountLive], confirmation: Confirmation | None, written: Written) -> bool:
        """One step of every bot of which something waits; answers whether some database has to be claimed again."""
        parts = [part for live in accounts for part in self._parts(live, confirmation)]
        replies = self._databases.ask([(self._of_bot[part.bot.bot], step_command(part.step)) for part in parts])
        doubtful = False
        for part, reply in zip(parts, replies, strict=True):
            if isinstance(reply, CommandRefused):
                self._refused(part, reply)
                doubtful = True
                continue
            answer = step_answer(reply, part.step.epoch)
            if answer.standing is Standing.FENCED:
                self._fenced(part.live, answer.held, written)
            elif answer.standing is Standing.UNCLAIMED:
                log.warning("bot_database_emptied", bot=part.bot.bot, epoch=part.live.epoch, there=answer.held)
                part.bot.claimed = False
                doubtful = True
            else:
                doubtful |= self._done(part, answer, written)
        return doubtful

    def _parts(self, live: AccountLive, confirmation: Confirmation | None) -> list[_BotsPart]:
        if confirmation is None and not live.waits:
            return []
        account = live.owners.account
        changed: dict[BotId, list[LivePosition]] = {}
        for row in live.positions.changed():
            changed.setdefault(row.bot, []).append(row)
        marks: dict[BotId, list[tuple[Row, bool]]] = {}
        if confirmation is not None and account in confirmation.live:
            marks = live.positions.marks()
        # What `_tell` writes needs a step before it that was not refused.
        ask_anyway = bool(confirmation or live.bus_fills or live.bus_orders or live.bus_events or not live.wallet_told)
        parts = []
        for bot in live.bots.values():
            if not bot.claimed:
                continue
            rows = changed.get(bot.bot, [])
            if not (ask_anyway or rows or bot.waits or bot.bot in marks):
                continue
            ask_anyway = False
            fills = list(bot.fills)
            step = BotStep(
                bot=bot.bot,
                epoch=live.epoch,
                emptied=bot.emptied,
                positions=rows,
                anew=live.positions.anew,
                fills=[(recorded.bot_seq or 0, text) for recorded, text in fills],
                reports=list(bot.reports),
                first_report=bot.reports_told + 1,
                teller=bot.teller,
                open_orders=[report_of(order) for order in live.board.open_of(bot.bot)] if bot.open_orders else None,
                confirmed=marks.get(bot.bot, ()),
                confirmed_at=confirmation.at if confirmation and bot.bot in marks else None,
            )
            parts.append(_BotsPart(live, bot, step, fills, rows))
        return parts

    def _done(self, part: _BotsPart, answer: StepAnswer, written: Written) -> bool:
        """Forget what was written; answers whether the database has to be claimed again."""
        bot, live = part.bot, part.live
        bot.emptied = bot.open_orders = False
        bot.forget_reports()
        if bot.reports_lost:
            log.warning("order_reports_lost", bot=bot.bot, count=bot.reports_lost, hint="the open orders are complete")
            bot.reports_lost = 0
        bot.fills.clear()
        if part.fills:
            written.published += [fill.recorded for fill in part.fills]
            written.hole |= answer.last_seq < (part.fills[-1].recorded.bot_seq or 0)
        live.positions.shown(part.rows)
        if answer.rebuild_wished:
            log.info("rebuild_wished", bot=bot.bot)
            bot.emptied = True
            live.write_again(bot, lost=True)
            written.hole = True
            return True
        if answer.missing:
            live.positions.show_all()
        if answer.older:
            # Somebody else has written rows that are newer than what we know: they are read, as after a takeover.
            bot.claimed = False
        return bool(answer.missing or answer.older)

    def _refused(self, part: _BotsPart, error: CommandRefused) -> None:
        """A key of another kind than ours is dropped with everything else there; any other refusal is the caller's."""
        if _WRONG_KIND not in str(error):
            raise error
        log.error("bot_database_unreadable", bot=part.bot.bot, reason=str(error))
        part.bot.emptied, part.bot.claimed = True, False
        part.live.write_again(part.bot, lost=True)

    def _fenced(self, live: AccountLive, held: int | None, written: Written) -> None:
        account = live.owners.account
        if account not in written.fenced:
            log.warning("redis_has_newer_epoch", account=account, epoch=live.epoch, there=held)
        written.fenced.add(account)
        self.epochs_met[account] = max(held or 0, self.epochs_met.get(account, 0))

    def _tell(self, accounts: Iterable[AccountLive], confirmation: Confirmation | None, written: Written) -> None:
        told = [live for live in accounts if all(bot.claimed for bot in live.bots.values())]
        of_state = self._of_state(told, confirmation)
        commands = [(self._state, command) for _, command in of_state]
        if fills := [text for live in told for text in live.bus_fills]:
            commands.append((self._bus, bus.publish_command(bus.FILLS, fills)))
        if orders := [text for live in told for text in live.bus_orders]:
            commands.append((self._bus, bus.publish_command(bus.ORDERS, orders)))
        if events := [text for live in told for text in live.bus_events]:
            commands.append((self._bus, bus.publish_command(bus.EVENTS, events)))
        if confirmation is not None and not commands:
            # Whoever holds no account says all the same whether Redis answers.
            commands.append((self._state, ("PING",)))
        answers = self._databases.ask(commands)
        for answer in answers:
            if isinstance(answer, CommandRefused):
                raise answer
        for (live, _), newer_epoch in zip(of_state, answers, strict=False):
            if newer_epoch:
                self._fenced(live, int(newer_epoch), written)
        for live in told:
            live.wallet_told = True
            live.bus_fills.clear()
            live.bus_orders.clear()
            live.bus_events.clear()

    def _of_state(
        self, accounts: Iterable[AccountLive], confirmation: Confirmation | None
    ) -> list[tuple[AccountLive, Command]]:
        """Health every second; the wallet when it has changed, and with the health, for the case that it was lost."""
        healths = {} if confirmation is None else {health.account: health for health in confirmation.healths}
        found = []
        for live in accounts:
            health = healths.get(live.owners.account)
            if health is not None:
                found.append((live, listener_health_command(health)))
            if live.wallet is not None and (health is not None or not live.wallet_told):
                found.append((live, wallet_command(live.wallet)))
        return found
