"""The checked exchange with two mistakes: account/info has a number for a text, and executions have no fee."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any
from unittest.mock import patch

from paper_exchange.__main__ import main as run_exchange
from paper_exchange.server import private_stream, render_account, render_executions
from tests.checked_exchange import FieldTap

_info, _execution = render_account.account_info, render_executions.execution_update


def _wrong_info(*arguments: Any, **options: Any) -> dict[str, Any]:
    return {**_info(*arguments, **options), "updatedTime": 0}


def _without_fee(*arguments: Any, **options: Any) -> dict[str, Any]:
    row = _execution(*arguments, **options)
    del row["execFee"]
    return row


if __name__ == "__main__":
    patch.object(render_account, "account_info", _wrong_info).start()
    patch.object(private_stream, "execution_update", _without_fee).start()
    FieldTap(Path(sys.argv[1])).install()
    sys.exit(run_exchange(sys.argv[2:]))
