from __future__ import annotations

from collections.abc import Callable

import pytest

from alpha.ledger.connection import Connection, LedgerUnavailable, transaction
from alpha.ledger.sessions import end_sessions


def test_sessions_are_ended_by_the_name_they_began_with(writer: Connection, login: Callable[[str], Connection]) -> None:
    owner = login("owner")
    assert end_sessions(owner, "nobody") == 0
    assert end_sessions(owner, "tests") >= 1  # and not its own
    with pytest.raises(LedgerUnavailable), transaction(writer) as cursor:
        cursor.execute("SELECT 1")
