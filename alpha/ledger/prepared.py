"""Statements that PostgreSQL reads and plans once per connection instead of at every execution.

For direct connections only: PgBouncer in transaction mode gives every transaction another session.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Sequence

from psycopg2 import extensions

from alpha.ledger.connection import Cursor, LedgerRefused


class PreparedStatement:
    """A statement under a name of its own, prepared on a connection the first time it is executed there.

    `text` is what follows the name in PREPARE: `(text[]) AS SELECT ...`. A prepared statement belongs to the session
    and stays when the transaction that made it is rolled back.
    """

    def __init__(self, name: str, text: str) -> None:
        self._prepare = f"PREPARE {name} {text}"
        self._execute = f"EXECUTE {name}"
        self._held_by: weakref.WeakSet[extensions.connection] = weakref.WeakSet()

    def execute(self, cursor: Cursor, parameters: Sequence[object]) -> None:
        cursor.execute(*self.call(cursor, parameters))

    def call(self, cursor: Cursor, parameters: Sequence[object]) -> tuple[str, list[object]]:
        """What executes it with these parameters, and those of them for which it has a place. Whole numbers stand in it
        as they are: they are most of a short statement's, and the driver takes as long for each as for a text."""
        connection = cursor.connection
        if connection not in self._held_by:
            cursor.execute(self._prepare)
            self._held_by.add(connection)
        places = ", ".join([str(each) if type(each) is int else "%s" for each in parameters])
        return f"{self._execute} ({places})", [each for each in parameters if type(each) is not int]


def execute_in_turn(cursor: Cursor, settings: str, *calls: tuple[PreparedStatement, Sequence[object]]) -> None:
    """Executes statements one after the other in one round trip, under `settings` (SET LOCAL ...), which last for the
    transaction; the rows are those of the last. Each sees what was committed before it began, so the second sees what
    was committed while the first waited for a lock."""
    texts, places = zip(*[statement.call(cursor, parameters) for statement, parameters in calls], strict=True)
    cursor.execute("; ".join([settings, *texts]), [each for placed in places for each in placed])


def text_array(elements: Iterable[str]) -> str:
    """The literal of a text[]: one parameter, however many elements. Raises LedgerRefused for what is no text there."""
    texts = list(elements)
    joined = '","'.join(texts)
    if "\0" in joined:
        raise LedgerRefused("PostgreSQL keeps no NUL character in a text")
    if "\\" in joined or joined.count('"') != 2 * (len(texts) - 1):
        joined = '","'.join(text.replace("\\", "\\\\").replace('"', '\\"') for text in texts)
    return f'{{"{joined}"}}' if texts else "{}"
