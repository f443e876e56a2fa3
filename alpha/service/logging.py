"""One event per line, JSON unless a person looks on: service, time, severity, event, and the fields of the event."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Callable
from logging.handlers import RotatingFileHandler
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

import orjson
import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from alpha.config.settings import Settings

_SECRET_WORDS = ("password", "secret", "token", "api_key", "apikey", "signature", "authorization")
_HIDDEN = "(hidden)"
_FILE_BYTES, _FILES_KEPT = 10_000_000, 5
# Libraries that report every request or frame at INFO.
_TALKATIVE = ("aiohttp.access", "apscheduler", "asyncio", "httpx", "pybit", "urllib3", "websockets")


def configure_logging(service: str, settings: Settings, *, stream: TextIO | None = None) -> None:
    """Logs of ours and of libraries go to `stream` (default stderr) and, as JSON, into the log folder of the settings;
    errors nobody caught are logged as well.

    `service` is in every line. Bind more with `structlog.contextvars.bind_contextvars`, for example the order_link_id
    as `correlation_id`.
    """
    out = sys.stderr if stream is None else stream
    as_text = settings.log_format == "console" or (settings.log_format == "auto" and out.isatty())
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        _of_service(service),
        structlog.processors.add_log_level,
        structlog.processors.EventRenamer("event"),
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
        _severity,
        structlog.processors.StackInfoRenderer(),
        _hide_secrets,
    ]
    as_json: list[Processor] = [
        structlog.processors.format_exc_info,
        structlog.processors.JSONRenderer(serializer=_json),
    ]
    # structlog's own tracebacks show local variables, and some of those are secrets.
    plain = structlog.dev.plain_traceback
    for_console: list[Processor] = [
        _console_names,
        structlog.dev.ConsoleRenderer(colors=out.isatty(), exception_formatter=plain),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    handler: logging.Handler = logging.StreamHandler(out)
    handler.setFormatter(_formatter(shared, for_console if as_text else as_json))
    root = logging.getLogger()
    for former in root.handlers:
        former.close()
    root.handlers[:] = [handler]
    root.setLevel(settings.log_level.upper())
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.captureWarnings(True)
    sys.excepthook = _log_uncaught
    threading.excepthook = _log_uncaught_in_thread
    if settings.log_folder is not None:
        _log_into(settings.log_folder, service, _formatter(shared, as_json))


def _formatter(shared: list[Processor], rendering: list[Processor]) -> logging.Formatter:
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[_library_event, *shared],
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *rendering],
    )


def _log_into(folder: Path, service: str, formatter: logging.Formatter) -> None:
    """A folder that cannot be written is no reason not to trade: what is logged is on stderr as well."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handler = RotatingFileHandler(folder / f"{service}.log", maxBytes=_FILE_BYTES, backupCount=_FILES_KEPT)
    except OSError as error:
        structlog.get_logger("alpha").warning("log_folder_not_writable", folder=str(folder), reason=str(error))
        return
    handler.setFormatter(formatter)
    logging.getLogger().addHandler(handler)


def _of_service(service: str) -> Processor:
    def add(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:  # noqa: ARG001
        event["service"] = service
        return event

    return add


def _severity(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:  # noqa: ARG001
    event["severity"] = event.pop("level")
    return event


def _console_names(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:  # noqa: ARG001
    # The names that structlog's console renderer puts in front.
    event["level"] = event.pop("severity")
    event["timestamp"] = event.pop("time")
    return event


def _library_event(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:  # noqa: ARG001
    """A library's sentence becomes a field, so that every event keeps a constant name."""
    record: logging.LogRecord = event["_record"]
    event["logger"] = record.name
    event["message"] = event["event"]
    event["event"] = "library_message"
    return event


def _hide_secrets(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:  # noqa: ARG001
    for name in event:
        if any(word in name.lower() for word in _SECRET_WORDS):
            event[name] = _HIDDEN
    return event


def _json(event: Any, default: Callable[[Any], Any], **_: Any) -> str:  # noqa: ARG001
    # Decimal and the like as text: money is never a JSON number.
    return orjson.dumps(event, default=str, option=orjson.OPT_NON_STR_KEYS).decode()


def _log_uncaught(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        return
    structlog.get_logger("alpha").critical("uncaught_error", exc_info=(kind, error, traceback))


def _log_uncaught_in_thread(arguments: threading.ExceptHookArgs) -> None:
    if arguments.exc_value is not None:
        _log_uncaught(arguments.exc_type, arguments.exc_value, arguments.exc_traceback)
