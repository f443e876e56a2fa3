"""Everything commanded goes into the audit trail: who, what, when, and what came of it."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

import structlog

from alpha.config.telegram import Role
from alpha.ledger.audit import add_audit_event
from alpha.ledger.connection import Dsn, LedgerRefused, LedgerUnavailable, connect
from telegram_manager.asking import NotAllowed, ask
from telegram_manager.command import Command, Group
from telegram_manager.context import APPLICATION, Context
from telegram_manager.parsing import Call
from telegram_manager.rendering.answer import Answer, Text

log = structlog.get_logger(__name__)

_KEPT = 1000
_RETRY_S = 2.0
_LONGEST_RESULT = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Commanded:
    """A command that somebody gave. `detail` carries what the door knows: chat, message, outcome, seconds."""

    actor: str
    spoken: str
    detail: Mapping[str, object] = field(default_factory=dict)


def is_commanding(command: Command) -> bool:
    """Whether it may change anything; looking is not audited."""
    return command.group in (Group.COMMANDING, Group.EMERGENCY) or command.role > Role.VIEWER


def carry_out(context: Context, call: Call, spoken: str, trail: AuditTrail, where: Mapping[str, object]) -> Answer:
    """Runs the command and puts it into the trail, refused and failed ones too. Raises NotAllowed, and faults of the
    code, as `ask` does. Blocks."""
    began_s = time.monotonic()
    outcome: dict[str, object] = {"outcome": "failed", "result": "a fault of the program, see the log"}
    try:
        answer = ask(context, call)
        outcome = {"outcome": "done" if answer.ok else "not_done", "result": _in_words(answer)}
        return answer
    except NotAllowed as error:
        outcome = {"outcome": "refused", "result": str(error)}
        raise
    finally:
        if is_commanding(call.command):
            detail = {**where, **outcome, "seconds": round(time.monotonic() - began_s, 3)}
            trail.add(Commanded(actor=context.actor.name, spoken=spoken, detail=detail))


class AuditTrail:
    """Writes audit events from a thread of its own: a ledger that is away neither stops nor delays a command.

    Every event is in the log at once; up to 1000 of them wait for the ledger's return.
    """

    def __init__(self, dsn: Dsn) -> None:
        self._dsn = dsn
        self._waiting: deque[Commanded] = deque(maxlen=_KEPT)
        self._changed = threading.Condition()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="audit", daemon=True)
        self._thread.start()

    def add(self, event: Commanded) -> None:
        """Never raises, never waits."""
        log.info("commanded", actor=event.actor, spoken=event.spoken, **event.detail)
        with self._changed:
            self._waiting.append(event)
            self._changed.notify_all()

    def close(self, within_s: float = 3.0) -> None:
        """Writes what waits, for at most `within_s`, and ends."""
        with self._changed:
            self._changed.wait_for(lambda: not self._waiting, timeout=within_s)
            self._closing = True
            self._changed.notify_all()
        self._thread.join(timeout=1.0)
        if self._waiting:
            log.error("audit_not_written", events=[event.spoken for event in self._waiting])

    def _run(self) -> None:
        connection = None
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._closing)
                if self._closing:
                    break
                event = self._waiting[0]
            try:
                if connection is None or connection.closed:
                    connection = connect(self._dsn, f"{APPLICATION}-audit")
                add_audit_event(
                    connection, actor=event.actor, action="command", subject=event.spoken, detail=event.detail
                )
            except LedgerRefused:
                log.exception("audit_refused", spoken=event.spoken)
            except LedgerUnavailable as error:
                log.warning("audit_waits", error=str(error))
                if connection is not None:
                    connection.close()
                    connection = None
                with self._changed:
                    self._changed.wait_for(lambda: self._closing, timeout=_RETRY_S)
                continue
            with self._changed:
                if self._waiting and self._waiting[0] is event:
                    self._waiting.popleft()
                self._changed.notify_all()
        if connection is not None:
            connection.close()


def _in_words(answer: Answer) -> str:
    """The paragraphs of an answer; tables and pictures are not repeated in the trail."""
    said = " ".join(block.text for block in answer.blocks if isinstance(block, Text))
    return said[:_LONGEST_RESULT]
