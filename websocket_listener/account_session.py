"""One account: its private stream, what is done with each frame, and how well it goes."""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum, unique
from typing import Any

import structlog

from alpha.config.registry import AccountConfig
from alpha.domain.ids import AccountName
from alpha.exchange.endpoints import Endpoints
from alpha.exchange.errors import UnknownMessage
from alpha.exchange.parse import parse_private
from alpha.exchange.signing import KeyPair
from alpha.exchange.stream import Frame, StreamClient, StreamState
from alpha.live.health import ListenerHealth
from alpha.live.wire import now
from alpha.service.alerts import AlertWriter
from websocket_listener import live_state
from websocket_listener.attribution import AccountOwners
from websocket_listener.heard_executions import HeardExecutions
from websocket_listener.held_fills import HeldFills
from websocket_listener.known_fills import KnownFills, kept_by_each
from websocket_listener.live_state import LiveState
from websocket_listener.one_read import OneRead
from websocket_listener.standby_memory import StandbyMemory
from websocket_listener.timing import RecoveryTiming
from websocket_listener.unread_states import UnreadStates
from websocket_listener.write_queue import Heard
from websocket_listener.writer import Writer

log = structlog.get_logger()

TOPICS = ("execution", "order", "position", "wallet")
_FOR_EVER_S = 1e9
_NOT_LIVE_TOLD_S = 30.0


@unique
class AccountState(StrEnum):
    """Where an account stands. Bots may open risk while it is `LIVE` only. `STANDBY` is as well as `LIVE`: another
    process records the account, and this one hears it too."""

    STARTING = "starting"
    CONNECTING = "connecting"
    AUTHENTICATED = "authenticated"
    RECOVERING = "recovering"
    LIVE = "live"
    STANDBY = "standby"
    STALE = "stale"
    CLOSED = "closed"
    REFUSED = "refused"


@unique
class Role(StrEnum):
    """What this process is to an account: its only writer, one that is ready to follow, or not known yet."""

    UNDECIDED = "undecided"
    STANDBY = "standby"
    LEADER = "leader"


_OF_STREAM = {
    StreamState.CONNECTING: AccountState.CONNECTING,
    StreamState.AUTHENTICATED: AccountState.AUTHENTICATED,
    StreamState.SUBSCRIBED: AccountState.RECOVERING,
    StreamState.STALE: AccountState.STALE,
    StreamState.CLOSED: AccountState.CLOSED,
}
FINAL = frozenset({AccountState.REFUSED})
WELL = frozenset({AccountState.LIVE, AccountState.STANDBY})


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionConfig:
    """What a session is made for. `accounts`: how many this process hears, its own among them."""

    account: AccountConfig
    endpoints: Endpoints
    credentials: KeyPair
    owners: AccountOwners
    timing: RecoveryTiming
    accounts: int


KeepRaw = Callable[[AccountName, str, UnknownMessage], None]
"""Keep what could not be read: account, topic, and the error with the raw message."""


class AccountSession:
    """The stream of one account. Frames come on the event loop and are only sorted and queued there.

    Until this process has taken the account, what is heard is remembered for a while. `took` and `stand_by` are told
    by whoever learns who holds it, `lead` and `live` belong to the recovery thread, the rest to the event loop.
    """

    def __init__(
        self,
        config: SessionConfig,
        writer: Writer,
        live: LiveState,
        keep_raw: KeepRaw,
        alerts: AlertWriter,
        *,
        on_ready: Callable[[], None] = lambda: None,
    ) -> None:
        self.config = config
        self.name = config.account.name
        self._writer, self._live, self._keep_raw, self._alerts = writer, live, keep_raw, alerts
        self._on_ready = on_ready
        self._lock = threading.Lock()
        self._state = AccountState.STARTING
        self.since = now()
        self.role = Role.UNDECIDED
        self.generation = 0
        """Counts subscribed connections and changes of the holder; what was recovered for an earlier one says nothing
        about this one."""
        self.connections = 0
        self.recoveries = 0
        """How often the account went live after what was missed had been read."""
        self.connected = threading.Event()
        self.taken = threading.Event()
        """This process holds the account, under `taken_epoch`."""
        self.taken_epoch = 0
        self.news = threading.Event()
        """The generation has changed since somebody last looked."""
        self.identified = asyncio.Event()
        """It is known whose the key is: the stream may be opened."""
        self._stop = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stream: StreamClient | None = None
        self._read = OneRead()
        self._live_is_woken_soon = False
        self._memory = StandbyMemory()
        self.held = HeldFills()
        self.known_fills = KnownFills(kept=kept_by_each(config.accounts))
        self.heard_executions = HeardExecutions()
        self.uid: int | None = None
        self.epoch = 0
        """The epoch that is written under; 0 while another process records the account."""
        self.last_frame_at: datetime | None = None
        self.proven_until: datetime | None = None
        self.trouble = ""
        """Why the account is not live or not proven, in words; empty when all is well."""
        self._not_live_since_s: float | None = time.monotonic()
        self._not_live_told = False
        self.adopting = False

    @property
    def state(self) -> AccountState:
        return self._state

    async def run(self) -> None:
        """Keeps the stream up until `stop`, once the account is identified."""
        self._loop = asyncio.get_running_loop()
        identifying = asyncio.create_task(self.identified.wait())
        stopping = asyncio.create_task(self._stop.wait())
        try:
            await asyncio.wait({identifying, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if not self._stop.is_set():
                self._stream = StreamClient(
                    self.config.endpoints.private_url,
                    TOPICS,
                    self.config.credentials,
                    on_frame=self.on_frame,
                    on_state=self.on_state,
                    on_garbage=lambda error: self._unreadable("", error),
                    take_messages=self.take_messages,
                    on_read_end=self.end_read,
                )
                await self._stream.run(self._stop)
        finally:
            identifying.cancel()
            stopping.cancel()

    @property
    def silent_for_s(self) -> float:
        """Since anything was heard on the stream; infinite before it was first connected."""
        return math.inf if self._stream is None else self._stream.silent_for_s

    def replace_stream(self, why: str) -> None:
        """Cut the connection off and make another. From any thread."""
        if self._stream is not None and self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._stream.replace, why)

    def stop(self) -> None:
        """Close the stream. From any thread."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._stop.set)

    def open(self) -> None:
        """From the recovery thread: the stream may be opened."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self.identified.set)

    @property
    def is_ready(self) -> bool:
        """Whether this process could go on with the account."""
        return self.connected.is_set() and self._state not in FINAL

    def took(self, epoch: int) -> None:
        """This process holds the account from now on; the recovery thread takes it from here."""
        with self._lock:
            self.generation += 1
            self.news.set()
            self.taken_epoch = epoch
            self.taken.set()

    def held_elsewhere(self, holder: str) -> None:
        """Another process holds the account."""
        with self._lock:
            if self.role is Role.UNDECIDED:
                self.role = Role.STANDBY
                if self.connected.is_set():
                    self._change(AccountState.STANDBY, f"{holder} records the account")

    def lead(self, epoch: int, proven_until: datetime | None) -> bool:
        """From the recovery thread: the books are loaded. What was heard as a standby goes the way of everything else:
        fills wait for the gap before them, the rest goes to the live state. False when the account is lost already."""
        with self._lock:
            if not epoch or epoch != self.taken_epoch:
                return False
            self.proven_until, self.adopting = proven_until, proven_until is None
            self.known_fills.forget_all()
            remembered = self._memory.recall()
            self._hold()
            # What was heard before the first contact is in the position that is about to be adopted.
            if not self.adopting:
                self.heard_executions.note(heard.fill for heard in remembered.fills)
                self.held.offer(remembered.fills)
                self._live.put(
                    live_state.Heard(
                        account=self.name,
                        orders=remembered.orders,
                        positions=remembered.positions,
                        wallet=remembered.wallet,
                    )
                )
            # Last: from now on frames go past the memory.
            self.role, self.epoch = Role.LEADER, epoch
            if self.connected.is_set():
                self._change(AccountState.RECOVERING, "")
            return True

    def stand_by(self, why: str) -> bool:
        """Another process records the account, or may. What waits here is let go: whoever holds it next recovers it.
        Answers whether the account was ours until now."""
        with self._lock:
            was_ours = self.taken.is_set()
            self.taken.clear()
            self.generation += 1
            self.news.set()
            self.taken_epoch = self.epoch = 0
            self.role = Role.UNDECIDED
            self.adopting = False
            let_go: list[Heard] = []
            self.held.release_to(let_go.extend)
            if self.connected.is_set():
                self._change(AccountState.RECOVERING, why)
        if was_ours:
            log.warning("account_given_up", account=self.name, reason=why, held_fills=len(let_go))
        return was_ours

    def on_frame(self, frame: Frame) -> None:
        received_at = self._read.begin()
        topic = str(frame.get("topic", ""))
        try:
            message = parse_private(frame, self.name)
        except UnknownMessage as error:
            self._unreadable(topic, error)
            self.end_read()
            return
        for unreadable in message.unreadable:
            self._unreadable(topic, unreadable)
        self._read.take(received_at, message.created_at, message.fills, message.orders, message.positions)
        if message.wallets:
            self._read.wallet = message.wallets[-1]
        self.end_read()

    def take_messages(self, messages: list[bytes], otherwise: Callable[[bytes], None]) -> list[str]:
        """Messages of one read, as `StreamClient` hands them over: nearly all is taken here. They go on with
        `end_read`."""
        return self._read.take_messages(messages, self.name, otherwise)

    def end_read(self) -> None:
        """What was read goes on together: locks and threads that wait are bothered once for all of it."""
        read = self._read.handed_over()
        if read.at is not None:
            self.last_frame_at = read.at
        if not read.holds_anything or (not self.epoch and self._remember(read)):
            return
        is_told_with_commit = False
        if read.fills:
            self.heard_executions.note([heard.fill for heard in read.fills])
            if not self.held.offer(read.fills) and not self.adopting:
                is_told_with_commit = self._writer.record(read.fills, droppable=True) is not None
        if read.states or read.orders or read.positions or read.wallet is not None:
            heard = live_state.Heard(
                account=self.name,
                orders=tuple(read.orders),
                positions=tuple(read.positions),
                wallet=read.wallet,
                unread=self._unread(read) if read.states else None,
            )
            if is_told_with_commit and self._loop is not None:
                self._tell_with_commit(heard, self._loop)
            else:
                self._live.put(heard)

    def _unread(self, read: OneRead) -> UnreadStates:
        return UnreadStates(self.name, read.states, self._unreadable)

    def _tell_with_commit(self, heard: live_state.Heard, loop: asyncio.AbstractEventLoop) -> None:
        """The live thread is woken by the commit of the fills: before, it would only compete with the writer for the
        interpreter. A commit that does not come soon is not waited for."""
        self._live.put(heard, wake=False)
        if not self._live_is_woken_soon:
            self._live_is_woken_soon = True
            loop.call_later(live_state.COMMIT_AWAITED_S, self._wake_live)

    def _wake_live(self) -> None:
        self._live_is_woken_soon = False
        self._live.wake()

    def on_state(self, state: StreamState, reason: str) -> None:
        if state is not StreamState.SUBSCRIBED:
            self.connected.clear()
            self.heard_executions.broke_off()
            self.change(_OF_STREAM[state], reason)
            return
        with self._lock:
            self.generation += 1
            self.news.set()
            self.connections += 1
            if self.epoch:
                # Before anything else: what comes from now on waits for the gap before it.
                self._hold()
            self.connected.set()
            self._change(AccountState.STANDBY if self.role is Role.STANDBY else AccountState.RECOVERING, reason)
        self._on_ready()

    def change(self, state: AccountState, reason: str = "") -> None:
        with self._lock:
            self._change(state, reason)

    def _change(self, state: AccountState, reason: str) -> None:
        if self._state in FINAL or (state is self._state and reason == self.trouble):
            return
        if state is not self._state:
            self.since = now()
        self._state = state
        self.trouble = reason
        log.info("account_state", account=self.name, state=state.value, reason=reason, generation=self.generation)

    def live(self, generation: int) -> bool:
        """The connection of this generation has been recovered. False when it is not the current one any more."""
        with self._lock:
            if not self.connected.is_set() or not self.epoch or generation != self.generation or self._state in FINAL:
                return False
            # Under the lock still: a break that is told meanwhile comes after this and stands.
            self._change(AccountState.LIVE, "")
        return True

    def release(self) -> None:
        """Hand the fills that waited to the writer, which lets them go above its bound like any fill of the stream:
        while PostgreSQL is away each reconnect holds fills anew. Before the account is adopted they are let go: folded
        without the position they changed, they would make a wrong book for ever; the next start finds them in that
        position."""
        self.held.release_to(lambda fills: None if self.adopting else self._writer.record(fills, droppable=True))

    def health(self) -> ListenerHealth:
        """What bots see of this account."""
        return ListenerHealth(
            account=self.name,
            state=self._state.value,
            since=self.since,
            epoch=self.epoch,
            last_frame_at=self.last_frame_at,
            proven_until=self.proven_until,
            backlog=self._writer.backlog,
            drifted=False,  # the live state compares, and says so
            updated_at=now(),
        )

    def status(self) -> dict[str, Any]:
        """For /healthz."""
        return {
            "state": self._state.value,
            "since": self.since,
            "environment": self.config.endpoints.environment,
            "uid": self.uid,
            "role": self.role.value,
            "epoch": self.epoch,
            "connections": self.connections,
            "last_frame_at": self.last_frame_at,
            "executions_heard": self.heard_executions.count,
            "proven_until": self.proven_until,
            "trouble": self.trouble,
        }

    def _unreadable(self, topic: str, error: UnknownMessage) -> None:
        # A standby would store a second copy; what its holder does not get to, recovery meets again over REST.
        if self.role is not Role.STANDBY:
            self._keep_raw(self.name, topic, error)

    def _remember(self, read: OneRead) -> bool:
        """False when the account has become ours meanwhile."""
        orders, positions = self._unread(read).read()
        read.states = []
        # They came before those that have been read already.
        read.orders, read.positions = orders + read.orders, positions + read.positions
        with self._lock:
            if not self.epoch:
                self._memory.heard(fills=read.fills, orders=read.orders, positions=read.positions, wallet=read.wallet)
                return True
        return False

    def _hold(self) -> None:
        self.held.hold(_FOR_EVER_S if self.adopting else self.config.timing.hold_s)

    def look_after(self) -> None:
        """Every now and then: fills that waited long enough are let go on, and a person hears of a stream that does
        not come back."""
        if self.held.overdue():
            log.warning("held_fills_released", account=self.name, why="the gap before them is not recovered yet")
            self.release()
        self._watch_live()

    def _watch_live(self) -> None:
        if self._state in WELL:
            self._not_live_since_s = None
            if self._not_live_told:
                self._not_live_told = False
                self._alerts.alert(
                    "account_live",
                    f"account {self.name} is {self._state.value} again",
                    severity="info",
                    account=self.name,
                )
            return
        if self._not_live_since_s is None:
            self._not_live_since_s = time.monotonic()
        if time.monotonic() - self._not_live_since_s > _NOT_LIVE_TOLD_S and not self._not_live_told:
            self._not_live_told = True
            where = self.config.endpoints
            self._alerts.alert(
                "account_not_live",
                f"account {self.name} ({where.environment}, {where.private_url}) is {self._state.value} for more than "
                f"{_NOT_LIVE_TOLD_S:.0f} s: {self.trouble or 'no reason known'}",
                severity="error",
                account=self.name,
            )
