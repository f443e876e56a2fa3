"""One connection over all databases: what goes to many of them takes one round trip."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import redis
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as NotConnected
from redis.exceptions import ResponseError as CommandRefused
from redis.retry import Retry

__all__ = ["Command", "CommandRefused", "Databases", "database_of", "execute"]

Command = tuple[str | int, ...]
"""A command with its arguments."""


def database_of(client: redis.Redis) -> int:
    """The number of the database that a client works in."""
    return int(client.connection_pool.connection_kwargs["db"])


def execute(client: redis.Redis, command: Command) -> Any:
    """A command through a client of its database."""
    return cast(Any, client).execute_command(*command)


class Databases:
    """Commands for any database of a server, sent together and answered together. One thread owns it.

    Unlike a client it never connects again by itself. Behind a connection that was cut there may be an emptied server
    now, or one that has come back with an older copy: whoever writes has to know that before the first command.
    """

    def __init__(self, client: redis.Redis) -> None:
        """The server is that of the client, which is not used itself."""
        self._pool = client.connection_pool
        self._selected = -1
        self._connection: Any = None

    @property
    def is_connected(self) -> bool:
        return self._connection is not None

    def connect(self) -> None:
        """Raises a member of LIVE_ERRORS when nobody answers."""
        self.close()
        settings = dict(self._pool.connection_kwargs) | {"retry": Retry(NoBackoff(), 0)}
        connection = self._pool.connection_class(**settings)
        connection.connect()
        self._connection, self._selected = connection, int(settings["db"])

    def ask(self, commands: Sequence[tuple[int, Command]]) -> list[Any]:
        """Run the commands, each in the database it is given with, in order; one round trip.

        A command that the server refuses answers with its CommandRefused in its place; the others are run all the same.
        Raises a member of LIVE_ERRORS when the connection fails: then any of them may have been run.
        """
        connection = self._connection
        if connection is None:
            raise NotConnected("not connected to Redis")
        if not commands:
            return []
        packed: list[bytes] = []
        is_selection: list[bool] = []
        for database, command in commands:
            if database != self._selected:
                self._selected = database
                _pack(("SELECT", database), packed)
                is_selection.append(True)
            _pack(command, packed)
            is_selection.append(False)
        try:
            connection.send_packed_command((b"".join(packed),))
            answers = [(skip, self._answer()) for skip in is_selection]
        except BaseException:
            self.close()
            raise
        for skip, answer in answers:
            if skip and isinstance(answer, CommandRefused):
                # What followed has gone to another database than it was meant for, where its keys are unknown.
                self.close()
                raise answer
        return [answer for skip, answer in answers if not skip]

    def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.disconnect()

    def _answer(self) -> Any:
        try:
            return self._connection.read_response()
        except CommandRefused as error:
            return cast(Any, error)


def _pack(command: Command, into: list[bytes]) -> None:
    """https://redis.io/docs/latest/develop/reference/protocol-spec/: an array of bulk strings. The client's own packing
    takes three times as long, which is most of what a fill costs on this side."""
    into.append(b"*%d\r\n" % len(command))
    for argument in command:
        data = argument.encode() if isinstance(argument, str) else b"%d" % argument
        into.append(b"$%d\r\n%b\r\n" % (len(data), data))
