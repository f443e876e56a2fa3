"""A real bot process that is killed at the n-th step of handling fills; and a server that forks such processes.

A step is a call that changes something outside of the process: a statement that writes or its COMMIT, the header and
the body of a POST to the exchange, a command that writes to Redis. What lies between two of them happens in memory or
only reads, so a kill anywhere there is the same as one right before the second. The last place to die at is after the
last of them.

The server imports everything once and forks: a bot is then there in a fraction of the time an interpreter takes. It
reads one request a line, `{"die_live": n, "die_resuming": n, "report": path}` with 0 for never, and answers with the
process id, and after the process has ended with its wait status.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

from alpha.bot import runner
from alpha.bot.loop import DecisionLoop
from alpha.config import load_registry, load_settings
from alpha.service.logging import configure_logging

_CHANGES_NOTHING = frozenset(b"AUTH CLIENT SELECT PING GET HGETALL HMGET XREAD XRANGE XREVRANGE".split())


class Steps:
    """Counts steps on the main thread while it is open, and dies at one of them as kill -9 lets die."""

    def __init__(self, die_at: int) -> None:
        self._die_at = die_at
        self._wrote = False
        self.taken: list[str] = []

    def open(self) -> None:
        sys.setprofile(self._on_event)

    def close(self) -> None:
        if sys.getprofile() is not None:
            sys.setprofile(None)
            self._take("the end")

    def _on_event(self, frame: FrameType, event: str, called: Any) -> None:
        if event == "c_call" and (step := self._step(frame, called.__name__)):
            self._take(step)

    def _step(self, frame: FrameType, called: str) -> str:
        """What is about to be changed, or ""."""
        where, values = frame.f_code, frame.f_locals
        if called == "execute" and where.co_filename.endswith(("intents.py", "bot_state.py", "leases.py")):
            self._wrote = where.co_name not in ("_select", "load_state")
            return f"statement of {where.co_name}" if self._wrote else ""
        if called == "commit" and self._wrote:
            self._wrote = False
            return "COMMIT"
        if called == "sendall" and where.co_qualname == "HTTPConnection.send" and values["data"][:4] != b"GET ":
            return "header of a POST" if values["data"][:5] == b"POST " else "body of a POST"
        if called == "sendall" and where.co_name == "send_packed_command" and values["item"][:1] == b"*":
            # A long command goes in pieces; Redis does nothing before the last.
            command = values["item"].split(b"\r\n")[2].upper()
            return "" if command in _CHANGES_NOTHING else f"{command.decode()} to Redis"
        return ""

    def _take(self, step: str) -> None:
        self.taken.append(step)
        if len(self.taken) == self._die_at:
            os.kill(os.getpid(), signal.SIGKILL)


def watch(live: Steps, resuming: Steps) -> None:
    """Lets the steps be counted while fills are handled: while the loop runs, and at start."""
    handle: Callable[..., None] = DecisionLoop._handle
    resume: Callable[..., None] = runner._Bot._resume
    catch_up = runner.catch_up_fills

    def counted_handle(loop: DecisionLoop, events: list[Any]) -> None:
        if any(type(event).__name__ == "FillsArrived" for event in events):
            live.open()
        handle(loop, events)
        live.close()

    def counted_catch_up(host: Any, progress: Any, bot: Any, link: Any) -> int:
        resuming.open()
        handled = catch_up(host, progress, bot, link)
        if not handled:
            resuming.close()
        return handled

    def counted_resume(bot: Any, *parts: Any) -> None:
        resume(bot, *parts)
        resuming.close()

    DecisionLoop._handle = counted_handle  # type: ignore[method-assign, assignment]
    runner._Bot._resume = counted_resume  # type: ignore[method-assign]
    runner.catch_up_fills = counted_catch_up


def be_bot(bot: str, request: dict[str, Any]) -> None:
    settings = load_settings()
    configure_logging(bot, settings)
    live, resuming = Steps(request["die_live"]), Steps(request["die_resuming"])
    watch(live, resuming)
    runner.run_bot(settings, load_registry(settings.alpha_bots_file), bot)
    Path(request["report"]).write_text(json.dumps({"live": live.taken, "resuming": resuming.taken}))


def serve(bot: str) -> None:
    for line in sys.stdin:
        request = json.loads(line)
        if (pid := os.fork()) == 0:
            code = 1
            try:
                be_bot(bot, request)
                code = 0
            except BaseException:
                traceback.print_exc()
                raise
            finally:
                os._exit(code)
        print(json.dumps({"pid": pid}), flush=True)
        _, status = os.waitpid(pid, 0)
        print(json.dumps({"status": os.waitstatus_to_exitcode(status)}), flush=True)


if __name__ == "__main__":
    serve(sys.argv[1])
