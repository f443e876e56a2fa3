"""`python -m websocket_listener`: the listener on its own, as `alpha listener` starts it."""

from __future__ import annotations

import sys

from alpha.service.process import run_service
from websocket_listener.main import main

if __name__ == "__main__":
    sys.exit(run_service("listener", main))
