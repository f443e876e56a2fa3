"""What a command may use: servers, registry, clock, and who asks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from alpha.config.registry import Registry
from alpha.config.settings import Settings
from alpha.domain.ids import AccountName, BotId
from alpha.ledger.connection import Connection, connect
from telegram_manager.actor import Actor

if TYPE_CHECKING:
    from alpha.exchange.rest import ExchangeClient
    from telegram_manager.bot_control.interface import BotControl
    from telegram_manager.command import Command
    from telegram_manager.commanding.desk import Desk

APPLICATION = "telegram-manager"


def _wall_clock() -> datetime:
    return datetime.now(UTC)


def _say_nothing(text: str) -> None:
    """Progress that nobody waits for."""


def _nobody_waits() -> None:
    """Of a command that no other one waits for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """One of these per message or terminal command. `settings` are those of a login of the commander group."""

    settings: Settings
    registry: Registry
    actor: Actor
    commands: tuple[Command, ...] = ()
    """The whole table, for the help."""
    exchange: Callable[[AccountName], ExchangeClient] | None = None
    """A client with the account's own keys, which the caller closes; None where there are no keys."""
    bots: BotControl | None = None
    """None where nothing controls bots: a platform of which only the servers are known."""
    desk: Desk | None = None
    """What the commanding commands work with; None where only looking is possible."""
    running: tuple[BotId, ...] | None = None
    """The bots that are part of the platform that runs here; None: all of the registry."""
    processes: Mapping[str, int | None] = field(default_factory=dict)
    """Process ids of a local platform by name, None for one that is down; empty where it is run in another way."""
    clock: Callable[[], datetime] = _wall_clock
    progress: Callable[[str], None] = _say_nothing
    """Shows a line while a command that takes longer is still at work."""
    in_effect: Callable[[], None] = _nobody_waits
    """See `Command.in_order`."""

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection for reading, through PgBouncer where there is one. Raises LedgerUnavailable."""
        with closing(connect(self.settings.pooled_dsn(), APPLICATION, pooled=self.settings.pooled)) as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A direct connection, for commands that write. Raises LedgerUnavailable."""
        with closing(connect(self.settings.dsn(), APPLICATION)) as connection:
            yield connection
