"""`python -m websocket_listener`: the listener on its own, as `alpha listener` starts it."""

from __future__ import annotations

from alpha.config import load_registry, load_settings
from alpha.service.logging import configure_logging
from websocket_listener.main import main

if __name__ == "__main__":
    settings = load_settings()
    configure_logging("listener", settings)
    main(settings, load_registry(settings.alpha_bots_file))
