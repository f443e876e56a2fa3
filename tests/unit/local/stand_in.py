"""Stands in for the `alpha` command in tests of the supervisor: processes that answer, report and end, and no more.

STAND_IN_REFUSES names a command that ends at once over its configuration, STAND_IN_SLOW one that never becomes ready.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

from alpha.config import load_registry, load_settings
from alpha.live.connection import LIVE_ERRORS, open_redis
from alpha.live.health import Heartbeat, write_heartbeat
from alpha.service.health import HealthServer
from alpha.service.shutdown import StopSignal


def main() -> None:
    command, *arguments = sys.argv[1:]
    stop = StopSignal().install()
    if os.environ.get("STAND_IN_REFUSES") == command:
        print(f"alpha: {command} is not configured", file=sys.stderr)
        sys.exit(2)
    ready = os.environ.get("STAND_IN_SLOW") != command
    match command:
        case "paper-exchange":
            options = dict(zip(arguments[::2], arguments[1::2], strict=False))
            HealthServer(int(options["--port"]), lambda: {"ok": ready}).start()
            admin(int(options["--admin-port"]), Path(options["--journal"]))
            stop.wait()
        case "listener" | "feed":
            HealthServer(int(os.environ[f"{command.upper()}_PORT"]), lambda: {"ok": ready}).start()
            stop.wait()
        case "trade-sync":
            stop.wait()
        case "bot":
            beat(arguments[0], stop)


def admin(port: int, journal: Path) -> None:
    """Notes every resume with the right token in the journal."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            allowed = self.headers["X-Admin-Token"] == os.environ["ALPHA_EXCHANGE_ADMIN_TOKEN"]
            if allowed:
                with journal.open("a") as file:
                    file.write(f"{self.path}\n")
            self.send_response(200 if allowed else 403)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Silent."""

    Thread(target=ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever, daemon=True).start()


def beat(bot_id: str, stop: StopSignal) -> None:
    settings = load_settings()
    bot = load_registry(settings.alpha_bots_file).bot(bot_id)
    with open_redis(settings.redis(), bot.redis_db) as redis:
        while True:
            now = datetime.now(UTC)
            sign = Heartbeat(bot=bot.id, state="running", pid=os.getpid(), run="", last_bar_at=None, updated_at=now)
            with suppress(*LIVE_ERRORS):
                write_heartbeat(redis, sign)
            if stop.wait(0.2):
                return


main()
