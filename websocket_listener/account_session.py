"""One account: its private stream, what is done with each frame, and how well it goes."""

from __future__ import annotations

import asyncio
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
from alpha.ledger.fill_rows import FillSource
from alpha.live.health import ListenerHealth
from alpha.live.wire import now
from alpha.service.alerts import AlertWriter
from websocket_listener import live_state
from websocket_listener.attribution import AccountOwners
from websocket_listener.held_fills import HeldFills
from websocket_listener.known_fills import KnownFills
from websocket_listener.live_state import LiveState
from websocket_listener.timing import RecoveryTiming
from websocket_listener.write_queue import Heard
from websocket_listener.writer import Writer

log = structlog.get_logger()

TOPICS = ("execution", "order", "position", "wallet")
_FOR_EVER_S = 1e9
_WATCH_EVERY_S = 0.25
_NOT_LIVE_TOLD_S = 30.0


@unique
class AccountState(StrEnum):
    """Where an account stands. Bots may open risk while it is `LIVE` only."""

    STARTING = "starting"
    CONNECTING = "connecting"
    AUTHENTICATED = "authenticated"
    RECOVERING = "recovering"
    LIVE = "live"
    STALE = "stale"
    CLOSED = "closed"
    FENCED = "fenced"
    REFUSED = "refused"


_OF_STREAM = {
    StreamState.CONNECTING: AccountState.CONNECTING,
    StreamState.AUTHENTICATED: AccountState.AUTHENTICATED,
    StreamState.SUBSCRIBED: AccountState.RECOVERING,
    StreamState.STALE: AccountState.STALE,
    StreamState.CLOSED: AccountState.CLOSED,
}
FINAL = frozenset({AccountState.FENCED, AccountState.REFUSED})


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionConfig:
    """What a session is made for."""

    account: AccountConfig
    endpoints: Endpoints
    credentials: KeyPair
    owners: AccountOwners
    timing: RecoveryTiming


KeepRaw = Callable[[AccountName, str, UnknownMessage], None]
"""Keep what could not be read: account, topic, and the error with the raw message."""


class AccountSession:
    """The stream of one account. Frames come on the event loop and are only sorted and queued there.

    A connection counts as live when its generation has been recovered: `recovering(generation)` and `is_live` belong
    to the recovery thread, the rest to the event loop.
    """

    def __init__(
        self, config: SessionConfig, writer: Writer, live: LiveState, keep_raw: KeepRaw, alerts: AlertWriter
    ) -> None:
        self.config = config
        self.name = config.account.name
        self._writer, self._live, self._keep_raw, self._alerts = writer, live, keep_raw, alerts
        self._lock = threading.Lock()
        self._state = AccountState.STARTING
        self.since = now()
        self.generation = 0
        """Counts subscribed connections; what was recovered for an earlier one says nothing about this one."""
        self.connected = threading.Event()
        self.prepared = asyncio.Event()
        """The account is taken and its books are loaded: the stream may be opened."""
        self._stop = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self.held = HeldFills()
        self.known_fills = KnownFills()
        self.uid: int | None = None
        self.epoch = 0
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
        """Keeps the stream up until `stop`, once the account is prepared."""
        self._loop = asyncio.get_running_loop()
        preparing = asyncio.create_task(self.prepared.wait())
        stopping = asyncio.create_task(self._stop.wait())
        await asyncio.wait({preparing, stopping}, return_when=asyncio.FIRST_COMPLETED)
        preparing.cancel()
        if not self._stop.is_set():
            client = StreamClient(
                self.config.endpoints.private_url,
                TOPICS,
                self.config.credentials,
                on_frame=self.on_frame,
                on_state=self.on_state,
                on_garbage=lambda error: self._keep_raw(self.name, "", error),
            )
            watching = asyncio.create_task(self._watch())
            await client.run(self._stop)
            watching.cancel()
        stopping.cancel()

    def stop(self) -> None:
        """Close the stream. From any thread."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._stop.set)

    def prepare_done(self) -> None:
        """From the recovery thread: the stream may be opened."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self.prepared.set)

    def on_frame(self, frame: Frame) -> None:
        received_at = now()
        self.last_frame_at = received_at
        topic = str(frame.get("topic", ""))
        try:
            message = parse_private(frame, self.name)
        except UnknownMessage as error:
            self._keep_raw(self.name, topic, error)
            return
        for unreadable in message.unreadable:
            self._keep_raw(self.name, topic, unreadable)
        if message.fills:
            heard = [
                Heard(fill=fill, source=FillSource.STREAM, received_at=received_at, frame_at=message.created_at)
                for fill in message.fills
            ]
            if not self.held.offer(heard) and not self.adopting:
                self._writer.record(heard, droppable=True)
        if message.orders or message.positions or message.wallets:
            self._live.put(
                live_state.Heard(
                    account=self.name,
                    orders=message.orders,
                    positions=message.positions,
                    wallet=message.wallets[-1] if message.wallets else None,
                )
            )

    def on_state(self, state: StreamState, reason: str) -> None:
        if state is StreamState.SUBSCRIBED:
            with self._lock:
                self.generation += 1
            # Before anything else: what comes from now on waits for the gap before it.
            self.held.hold(_FOR_EVER_S if self.adopting else self.config.timing.hold_s)
            self.connected.set()
        else:
            self.connected.clear()
        self.change(_OF_STREAM[state], reason)

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
            if not self.connected.is_set() or generation != self.generation or self._state in FINAL:
                return False
            # Under the lock still: a break that is told meanwhile comes after this and stands.
            self._change(AccountState.LIVE, "")
        return True

    def release(self) -> None:
        """Hand the fills that waited to the writer. Before the account is adopted they are let go: folded without the
        position they changed, they would make a wrong book for ever; the next start finds them in that position."""
        fills = self.held.release()
        if fills and not self.adopting:
            self._writer.record(fills)

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
            "epoch": self.epoch,
            "connections": self.generation,
            "last_frame_at": self.last_frame_at,
            "proven_until": self.proven_until,
            "trouble": self.trouble,
        }

    async def _watch(self) -> None:
        """Fills that waited long enough are let go on, and a person hears of a stream that does not come back."""
        while True:
            await asyncio.sleep(_WATCH_EVERY_S)
            if self.held.overdue():
                log.warning("held_fills_released", account=self.name, why="the gap before them is not recovered yet")
                self.release()
            self._watch_live()

    def _watch_live(self) -> None:
        if self._state is AccountState.LIVE:
            self._not_live_since_s = None
            if self._not_live_told:
                self._not_live_told = False
                self._alerts.alert(
                    "account_live", f"account {self.name} is live again", severity="info", account=self.name
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
