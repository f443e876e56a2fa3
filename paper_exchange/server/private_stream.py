"""The private WebSocket: auth, subscriptions, and what happens to an account, as it happens.

https://bybit-exchange.github.io/docs/v5/ws/connect and .../websocket/private/execution
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from itertools import groupby
from typing import Any, TypeGuard
from uuid import uuid4

import orjson
import structlog
from aiohttp import web

from alpha.domain.fill import ExecType
from paper_exchange.accounts import Accounts, ExchangeAccount
from paper_exchange.engine import Execution, OrderState, PositionState, Wallet
from paper_exchange.engine.events import Event
from paper_exchange.faults.messages import Message
from paper_exchange.server.faults import Faults
from paper_exchange.server.outbox import Outbox
from paper_exchange.server.render_account import wallet_account
from paper_exchange.server.render_executions import execution_update, fast_execution
from paper_exchange.server.render_orders import order_update
from paper_exchange.server.render_positions import position_update
from paper_exchange.server.signature import authenticated_socket
from paper_exchange.server.sockets import Keeping, Socket, request_id, serve, topics_of
from paper_exchange.server.wall_clock import WallClock

log = structlog.get_logger()

_TOPICS: Mapping[type[Event], str] = {
    Execution: "execution",
    OrderState: "order",
    PositionState: "position",
    Wallet: "wallet",
}
_LONGEST_ECHO = 2_000
"""So much of a client's own topics comes back in a refusal."""
_BY_CATEGORY = ("execution", "order", "position")
_CATEGORIES = ("linear", "spot", "inverse", "option")
_FAST = "execution.fast"
_PLAIN = frozenset({*_TOPICS.values(), _FAST})
_ALL_IN_ONE = frozenset({*_BY_CATEGORY, _FAST})
_CATEGORISED = frozenset(f"{topic}.{category}" for topic in _ALL_IN_ONE for category in _CATEGORIES)
TOPICS = (*sorted(_PLAIN), *sorted(f"{topic}.linear" for topic in _ALL_IN_ONE))
"""Those of other categories can be subscribed to as well; nothing ever comes there."""


class PrivateStream:
    """All private sockets. A socket hears of one account, and of the topics it asked for only.

    Nothing is replayed to a socket that comes back, and there is no snapshot on subscribing.
    """

    def __init__(
        self,
        accounts: Accounts,
        clock: WallClock,
        keeping: Keeping,
        faults: Faults | None = None,
    ) -> None:
        self._accounts = accounts
        self._clock = clock
        self._keeping = keeping
        self._faults = faults
        self._outbox = Outbox()
        self._owner: dict[Socket, ExchangeAccount] = {}
        self._open: set[Socket] = set()

    def add_to(self, app: web.Application) -> None:
        app.router.add_get("/v5/private", self._serve)

    @property
    def sockets(self) -> int:
        return len(self._open)

    def topics_of(self, account: ExchangeAccount) -> list[list[str]]:
        """What each authenticated socket of the account listens to."""
        return [sorted(socket.topics) for socket, owner in self._owner.items() if owner == account]

    def publish(self, events: Iterable[Event]) -> None:
        """Sends events in their order; neighbours of one account, topic and symbol share a frame."""
        armed = self._faults if self._faults is not None and self._faults.are_armed else None
        listening: dict[int, list[Socket]] = {}
        for socket, account in self._owner.items():
            if socket.topics:
                listening.setdefault(account.uid, []).append(socket)
        if not listening and armed is None:
            return
        for (uid, topic, symbol), group in groupby(events, key=_frame_key):
            if uid not in listening and armed is None:
                continue
            run = list(group)
            if armed is not None:
                made = [event.exec_id for event in run if isinstance(event, Execution)]
                armed.published(self._accounts.of_uid(uid).name, topic, len(run), made)
            if uid in listening:
                self._send(listening[uid], topic, symbol, run)

    def owned(self) -> Mapping[Socket, ExchangeAccount]:
        """The authenticated sockets and whose they are."""
        return self._owner

    def cut(self, socket: Socket) -> None:
        """Without a closing handshake, as a network does it."""
        self._close(socket)
        socket.abort()

    def drop(self, account: ExchangeAccount | None) -> int:
        """Cuts the sockets of an account, or all, without a closing handshake. How many they were."""
        dropped = [socket for socket in self._open if account is None or self._owner.get(socket) == account]
        for socket in dropped:
            self.cut(socket)
        return len(dropped)

    def _send(self, sockets: list[Socket], topic: str, symbol: str, events: list[Event]) -> None:
        forms = _forms(topic)
        sendings = self._sendings(sockets, forms, topic, events)
        for form in forms:
            listening = [socket for socket in sockets if form in socket.topics]
            rows = self._rows(form, events) if listening else []
            if not rows:
                continue
            content = {
                "topic": form,
                "id": _frame_id(events[0], symbol),
                "creationTime": self._clock.now_ms(),
                "data": rows,
            }
            frame = orjson.dumps(content).decode()
            if sendings is None:
                for socket in listening:
                    socket.send(frame)
            else:
                for due in sendings:
                    self._outbox.send_at(due, frame, listening)

    def _sendings(
        self, sockets: list[Socket], forms: tuple[str, ...], topic: str, events: list[Event]
    ) -> list[float] | None:
        """The event loop's times at which the message is sent; None for once and now, where there are no faults."""
        if self._faults is None or not self._faults.are_armed:
            return None
        if not any(form in socket.topics for socket in sockets for form in forms):
            return None
        account = self._accounts.of_uid(events[0].uid)
        return self._faults.sendings(Message(account.name, topic, _subject(events[0]), len(events)))

    def _rows(self, form: str, events: list[Event]) -> list[dict[str, Any]]:
        if form.startswith(_FAST):
            return [fast_execution(event) for event in events if _is_fast(event)]
        return [self._row(event) for event in events]

    def _row(self, event: Event) -> dict[str, Any]:
        match event:
            case Execution():
                return execution_update(event)
            case OrderState():
                return order_update(event)
            case PositionState():
                return position_update(event)
            case Wallet():
                return wallet_account(event)

    async def _serve(self, request: web.Request) -> web.WebSocketResponse:
        return await serve(request, self._keeping, self._open.add, self._close, self._on_frame)

    def _close(self, socket: Socket) -> None:
        self._open.discard(socket)
        self._owner.pop(socket, None)

    def _on_frame(self, socket: Socket, frame: dict[str, Any]) -> None:
        match frame.get("op"):
            case "auth":
                self._authenticate(socket, frame)
            case "ping":
                pong = {"op": "pong", "args": [str(self._clock.now_ms())], "conn_id": socket.conn_id}
                socket.send_json(_with_id(frame, pong))
            case "subscribe":
                socket.acknowledge(partial(self._subscribe, socket, frame))
            case "unsubscribe":
                socket.acknowledge(partial(self._unsubscribe, socket, frame))
            case other:
                socket.send_json(_ack(socket, frame, "" if other is None else str(other), problem="Params Error"))

    def _authenticate(self, socket: Socket, frame: dict[str, Any]) -> None:
        account = authenticated_socket(frame.get("args"), self._accounts, self._clock.now_ms())
        if account is not None:
            self._owner[socket] = account
            log.info("private_stream_open", account=account.name, conn_id=socket.conn_id)
            if self._faults is not None and self._faults.are_armed:
                self._faults.authenticated(socket, account, self)
        problem = "" if account is not None else "Params Error"
        answer = {"success": account is not None, "ret_msg": problem, "op": "auth", "conn_id": socket.conn_id}
        socket.acknowledge(lambda: socket.send_json(answer))

    def _unsubscribe(self, socket: Socket, frame: dict[str, Any]) -> None:
        socket.topics.difference_update(topics_of(frame))
        socket.send_json(_ack(socket, frame, "unsubscribe"))

    def _subscribe(self, socket: Socket, frame: dict[str, Any]) -> None:
        topics = topics_of(frame)
        problem = self._problem_with(socket, topics)
        socket.send_json(_ack(socket, frame, "subscribe", problem=problem))
        if not problem:
            # After the acknowledgement is queued, so that no frame of a topic comes before it.
            heard_nothing = not socket.topics
            socket.topics.update(topics)
            if self._faults is not None and self._faults.are_armed and heard_nothing and socket in self._owner:
                self._faults.subscribed(socket, self._owner[socket], self)

    def _problem_with(self, socket: Socket, topics: list[str]) -> str:
        """Why a subscription is refused, "" when it is not. One bad topic refuses the whole request."""
        if socket not in self._owner:
            return f"error:{','.join(topics)[:_LONGEST_ECHO]}:needs auth first"
        unknown = [topic for topic in topics if topic not in _PLAIN | _CATEGORISED]
        if unknown or not topics:
            return f"error:handler not found,topic:{','.join(unknown)[:_LONGEST_ECHO]}"
        if any(topic in _CATEGORISED for topic in topics) and any(topic in _ALL_IN_ONE for topic in topics):
            return "error:all-in-one and categorised topics must not be mixed in one request"
        return ""


def _frame_key(event: Event) -> tuple[int, str, str]:
    return event.uid, _TOPICS[type(event)], "" if isinstance(event, Wallet) else event.symbol


def _forms(topic: str) -> tuple[str, ...]:
    """The topics under which an event may be listened to."""
    if topic not in _BY_CATEGORY:
        return (topic,)
    both = (topic, f"{topic}.linear")
    return (*both, _FAST, f"{_FAST}.linear") if topic == "execution" else both


def _is_fast(event: Event) -> TypeGuard[Execution]:
    return isinstance(event, Execution) and event.exec_type is ExecType.TRADE


def _subject(event: Event) -> str:
    """Names what a row tells, the same in every run of the same seed."""
    match event:
        case Execution():
            return event.exec_id
        case OrderState():
            return f"{event.order_id} {event.status} {event.filled_quantity}"
        case PositionState():
            return f"{event.symbol} {event.seq} {event.updated_at}"
        case Wallet():
            return f"{event.balance} {event.updated_at}"


def _frame_id(event: Event, symbol: str) -> str:
    if isinstance(event, Execution):
        return f"{event.uid}_{symbol}_{event.seq}"
    return f"{event.uid}{uuid4()}"


def _with_id(frame: Mapping[str, Any], content: dict[str, Any]) -> dict[str, Any]:
    found = request_id(frame)
    return {"req_id": found, **content} if found else content


def _ack(socket: Socket, frame: Mapping[str, Any], op: str, *, problem: str = "") -> dict[str, Any]:
    return _with_id(frame, {"success": not problem, "ret_msg": problem, "op": op, "conn_id": socket.conn_id})
