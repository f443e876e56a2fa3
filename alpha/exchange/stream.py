"""A Bybit stream: connected, authenticated, subscribed, watched, and replaced when it is not heard any more.

https://bybit-exchange.github.io/docs/v5/ws/connect
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import StrEnum, unique
from typing import Any, cast

import orjson
import structlog
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from alpha.exchange.backoff import Backoff
from alpha.exchange.direct_connection import DirectConnection
from alpha.exchange.endpoints import is_loopback
from alpha.exchange.errors import UnknownMessage
from alpha.exchange.signing import KeyPair, stream_signature
from alpha.exchange.subscription_probe import SubscriptionProbe

log = structlog.get_logger()

_MAX_FRAME_BYTES = 16 * 1024 * 1024
_QUEUED_FRAMES = 1024
_CLOSE_WITHIN_S = 1.0
_AUTH_VALID_MS = 10_000
# Spot takes at most 10 topics per request, linear counts characters only; ten suit both.
_TOPICS_PER_REQUEST = 10
# Bybit allows 500 new connections per domain in 5 minutes, over all streams of this machine.
_REMOTE_CAP_S, _LOOPBACK_CAP_S = 15.0, 1.0

_JSON_PING = orjson.dumps({"req_id": "ping", "op": "ping"})

Frame = Mapping[str, Any]
TakeMessages = Callable[[list[bytes], Callable[[bytes], None]], Sequence[str]]


def take_none(messages: list[bytes], otherwise: Callable[[bytes], None]) -> Sequence[str]:
    """Every message is decoded and goes to `on_frame`."""
    for message in messages:
        otherwise(message)
    return ()


@unique
class StreamState(StrEnum):
    """Where a stream stands.

    Only what comes after SUBSCRIBED is complete: nothing that happened before is sent again. What was missed, and
    whether the account is live, is known to the stream's owner.
    """

    CONNECTING = "connecting"
    AUTHENTICATED = "authenticated"
    SUBSCRIBED = "subscribed"
    STALE = "stale"
    CLOSED = "closed"


class _Refused(Exception):
    """The exchange answered no to auth or subscribe."""


class StreamClient:
    """One connection, kept for as long as `run` runs; used from the event loop's thread only.

    `on_frame` gets every frame that has a topic, in the order of arrival, and must only enqueue. `on_garbage` gets what
    cannot be read or was not awaited, raw. `on_state` hears every change of state, with the reason of a break or "".
    `credentials` are for private streams only. `take_messages` gets the bytes of all messages once the stream is
    subscribed, many at once: it takes what it can read by itself, gives the others to its second argument, all in their
    order, and answers the topic of each that it took. `on_read_end` is called after the last message that one read of
    the socket has brought.

    The connection is pinged in both forms (JSON and protocol) every `ping_s`. It is replaced when nothing at all was
    heard for `silent_s`, protocol pongs not counted: a server that has forgotten its subscribers may still send those.
    `data_silent_s`, for public streams, replaces it also when pongs come but data does not. A private stream may be
    quiet for good reason: topics without data for `probe_s` are subscribed to again, and the answer shows whether the
    server still knew them (`SubscriptionProbe`; None asks nothing). Attempts are spaced by `backoff`, which starts anew
    once a connection has been subscribed for `stable_after_s`; after a refusal at least `refused_pause_s` pass.
    """

    def __init__(
        self,
        url: str,
        topics: Sequence[str],
        credentials: KeyPair | None,
        *,
        on_frame: Callable[[Frame], None],
        on_state: Callable[[StreamState, str], None],
        on_garbage: Callable[[UnknownMessage], None] = lambda _: None,
        take_messages: TakeMessages = take_none,
        on_read_end: Callable[[], None] = lambda: None,
        ping_s: float = 5.0,
        silent_s: float = 15.0,
        data_silent_s: float | None = None,
        probe_s: float | None = 10.0,
        ack_within_s: float = 5.0,
        stable_after_s: float = 5.0,
        refused_pause_s: float = 5.0,
        backoff: Backoff | None = None,
    ) -> None:
        self._url = url
        self._topics = tuple(topics)
        self._credentials = credentials
        self._on_frame, self._on_state, self._on_garbage = on_frame, on_state, on_garbage
        self._take_messages, self._on_read_end = take_messages, on_read_end
        self._ping_s, self._silent_s, self._data_silent_s = ping_s, silent_s, data_silent_s
        self._probe_s = probe_s if credentials is not None else None
        self._probe: SubscriptionProbe | None = None
        self._connection: DirectConnection | None = None
        self._given_up = ""
        self._ack_within_s, self._stable_after_s, self._refused_pause_s = ack_within_s, stable_after_s, refused_pause_s
        self._backoff = backoff or Backoff(cap_s=_LOOPBACK_CAP_S if is_loopback(url) else _REMOTE_CAP_S)
        self._last_heard = self._last_data = time.monotonic()
        self._last_subscribed = -math.inf
        """When anything was heard on the last subscription that has ended."""
        self._heard_topics: list[str] = []
        """One for each message that was taken of the present read."""
        self.state = StreamState.CLOSED
        self.connections = 0
        """Number of the present connection: how many were opened so far."""
        self.frames = 0
        """Data frames delivered so far."""
        self.failures = 0
        """How often our own code failed on a frame."""

    @property
    def silent_for_s(self) -> float:
        """Since anything was heard on a subscription, an answer to a ping included; infinite before the first one.

        A server that opens connections and refuses what is asked then is not heard."""
        heard = self._last_heard if self.state is StreamState.SUBSCRIBED else self._last_subscribed
        return time.monotonic() - heard

    async def run(self, stop: asyncio.Event) -> None:
        """Keeps the stream up until `stop`. A break is told by `on_state` and mended; what that raises is raised."""
        stopped = asyncio.create_task(stop.wait())
        try:
            while not stop.is_set():
                attempt = asyncio.create_task(self._attempt())
                try:
                    await asyncio.wait({attempt, stopped}, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    attempt.cancel()
                    await asyncio.wait({attempt})
                if stop.is_set():
                    return
                reason, pause_s = attempt.result()
                self._change(StreamState.STALE, reason)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), pause_s)
        finally:
            stopped.cancel()
            self._change(StreamState.CLOSED, "stopped")

    def replace(self, reason: str) -> None:
        """Cut the connection off and make another: somebody knows better than the socket that it is not heard."""
        if self._connection is not None:
            self._give_up(self._connection, reason)

    async def _attempt(self) -> tuple[str, float]:
        """One connection from its beginning to its break: why it broke, and how long to wait before the next."""
        began = time.monotonic()
        try:
            reason = await self._one_connection()
        except _Refused as error:
            return str(error), max(self._backoff.next_delay_s(), self._refused_pause_s)
        except TimeoutError as error:
            reason = str(error) or "no answer in time"
        except (OSError, WebSocketException) as error:
            reason = f"{type(error).__name__}: {error}"
        except Exception as error:
            # The outermost loop: a failure of ours costs a reconnect, not the stream.
            self.failures += 1
            log.exception("stream_failed", url=self._url, failures=self.failures)
            reason = f"our own failure: {type(error).__name__}: {error}"
        if self.state is StreamState.SUBSCRIBED and time.monotonic() - began >= self._stable_after_s:
            self._backoff.reset()
        return f"{self._url}: {reason}", self._backoff.next_delay_s()

    async def _one_connection(self) -> str:
        """From connecting to the break; answers why it broke."""
        self._change(StreamState.CONNECTING, "")
        async with connect(
            self._url,
            proxy=None if is_loopback(self._url) else True,
            max_size=_MAX_FRAME_BYTES,
            max_queue=_QUEUED_FRAMES,
            compression=None,
            open_timeout=2 * self._ack_within_s,
            close_timeout=_CLOSE_WITHIN_S,
            ping_interval=None,
            user_agent_header=None,
            create_connection=DirectConnection,
        ) as opened:
            connection = cast(DirectConnection, opened)
            self.connections += 1
            self._last_heard = self._last_data = time.monotonic()
            self._connection, self._given_up = connection, ""
            watchdog: asyncio.Task[None] | None = None
            try:
                await self._begin(connection)
                watchdog = asyncio.create_task(self._watch(connection))
                await self._read_all(connection)
            except WebSocketException as error:
                return self._given_up or f"closed: {error}"
            finally:
                self._connection, self._probe = None, None
                if watchdog is not None:
                    watchdog.cancel()
                    await asyncio.wait({watchdog})
        raise AssertionError("reading ends with the connection, and that is told by an exception")

    async def _begin(self, connection: DirectConnection) -> None:
        if self._credentials is not None:
            expires = time.time_ns() // 1_000_000 + _AUTH_VALID_MS
            signature = stream_signature(self._credentials.secret, expires)
            await self._ask(connection, "auth", [self._credentials.key, expires, signature])
            self._change(StreamState.AUTHENTICATED, "")
        for topics in _requests(self._topics):
            await self._ask(connection, "subscribe", topics)
        if self._probe_s is not None:
            self._probe = SubscriptionProbe(
                self._topics, every_s=self._probe_s, answer_within_s=self._ack_within_s, at_s=time.monotonic()
            )
        self._change(StreamState.SUBSCRIBED, "")

    async def _ask(self, connection: DirectConnection, operation: str, args: Sequence[Any]) -> None:
        """Sends an operation and waits for its acknowledgement; data that comes in between is not lost."""
        request_id = f"{operation}-{time.monotonic_ns()}"
        await connection.send(_text({"req_id": request_id, "op": operation, "args": args}))
        try:
            async with asyncio.timeout(self._ack_within_s):
                while True:
                    frame = self._read(await connection.next_message())
                    if frame is None:
                        continue
                    # Not every server echoes the id of an auth request.
                    if frame.get("op") == operation and frame.get("req_id", "") in (request_id, ""):
                        break
                    self._deliver(frame)
        except TimeoutError:
            raise TimeoutError(f"{operation} not acknowledged") from None
        if not frame.get("success", frame.get("retCode") == 0):
            said = frame.get("ret_msg") or frame.get("retMsg") or "no reason given"
            raise _Refused(f"{self._url}: {operation} refused: {said}")

    async def _read_all(self, connection: DirectConnection) -> None:
        """Reads until the connection ends, which raises."""
        connection.hand_over(self._handle_or_give_up, self._end_read_or_give_up)
        while True:
            self._handle([await connection.next_message()])
            self._end_read()

    def _handle_or_give_up(self, messages: list[bytes]) -> None:
        """What raises here would reach the event loop only."""
        try:
            self._handle(messages)
        except Exception as error:
            log.exception("stream_failed", url=self._url, failures=self.failures + 1)
            self._failed(error)

    def _end_read_or_give_up(self) -> None:
        try:
            self._end_read()
        except Exception as error:
            log.exception("stream_failed", url=self._url, failures=self.failures + 1)
            self._failed(error)

    def _end_read(self) -> None:
        """What was heard goes on first, and is noted after."""
        self._on_read_end()
        if not self._heard_topics:
            return
        topics, self._heard_topics = self._heard_topics, []
        self._last_heard = self._last_data = time.monotonic()
        self.frames += len(topics)
        if self._probe is not None:
            for topic in set(topics):
                self._probe.heard(topic, self._last_heard)

    def _failed(self, error: Exception) -> None:
        self.failures += 1
        if self._connection is not None:
            self._give_up(self._connection, f"our own failure: {type(error).__name__}: {error}")

    def _handle(self, messages: list[bytes]) -> None:
        self._heard_topics += self._take_messages(messages, self._read_and_deliver)

    def _read_and_deliver(self, message: bytes) -> None:
        frame = self._read(message)
        if frame is not None:
            self._deliver(frame)

    async def _watch(self, connection: DirectConnection) -> None:
        """Pings and asks; ends once the connection is not heard any more, having cut it off."""
        while not (reason := self._silence()):
            due = self._probe.due(time.monotonic()) if self._probe else ()
            asked = [{"req_id": request_id, "op": "subscribe", "args": [topic]} for request_id, topic in due]
            connection.post(_JSON_PING, *map(orjson.dumps, asked))
            await asyncio.sleep(self._ping_s)
        self._give_up(connection, reason)

    def _silence(self) -> str:
        """Why the connection has to be replaced; "" when it is heard."""
        now = time.monotonic()
        silent_s, no_data_s = now - self._last_heard, now - self._last_data
        if silent_s > self._silent_s:
            return f"nothing heard for {silent_s:.1f} s"
        if self._data_silent_s is not None and no_data_s > self._data_silent_s:
            return f"no data for {no_data_s:.1f} s"
        return self._probe.overdue(now) if self._probe else ""

    def _give_up(self, connection: DirectConnection, reason: str) -> None:
        self._given_up = self._given_up or reason
        # Not a closing handshake: the other side does not answer.
        connection.transport.abort()

    def _read(self, message: bytes) -> Frame | None:
        self._last_heard = time.monotonic()
        try:
            frame = orjson.loads(message)
        except orjson.JSONDecodeError as error:
            self._on_garbage(UnknownMessage(f"not JSON: {error}", message.decode(errors="backslashreplace")))
            return None
        if not isinstance(frame, dict):
            self._on_garbage(UnknownMessage("not a JSON object", frame))
            return None
        return frame

    def _deliver(self, frame: Frame) -> None:
        if "topic" in frame:
            self._last_data = self._last_heard
            self.frames += 1
            if self._probe is not None:
                self._probe.heard(str(frame["topic"]), self._last_heard)
            self._on_frame(frame)
        elif self._probe is not None and (wrong := self._probe.answered(frame)) is not None:
            if wrong and self._connection is not None:
                self._give_up(self._connection, wrong)
        elif frame.get("op") not in ("ping", "pong"):
            self._on_garbage(UnknownMessage("neither data nor an answer that was awaited", dict(frame)))

    def _change(self, state: StreamState, reason: str) -> None:
        if state is not self.state or reason:
            if self.state is StreamState.SUBSCRIBED and state is not StreamState.SUBSCRIBED:
                self._last_subscribed = self._last_heard
            self.state = state
            self._on_state(state, reason)


def _requests(topics: Sequence[str]) -> Iterator[list[str]]:
    """The topics of each subscribe request. One request must not mix private topics of all categories (`order`) with
    those of one (`order.linear`)."""
    for with_category in (False, True):
        alike = [topic for topic in topics if ("." in topic) is with_category]
        for first in range(0, len(alike), _TOPICS_PER_REQUEST):
            yield alike[first : first + _TOPICS_PER_REQUEST]


def _text(message: Mapping[str, Any]) -> str:
    return orjson.dumps(message).decode()
