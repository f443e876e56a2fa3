"""`python -m trade_sync_service`: the service on its own, as `alpha trade-sync` starts it."""

from __future__ import annotations

import sys

from alpha.service.process import run_service
from trade_sync_service.main import main

if __name__ == "__main__":
    sys.exit(run_service("trade_sync_service", main))
