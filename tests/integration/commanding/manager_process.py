"""A manager that is ordered to kill, and is then killed itself: `python -m ... FOLDER TARGET`, with its settings in the
environment."""

from __future__ import annotations

import os
import sys

from alpha.config.registry import load_registry
from alpha.config.settings import load_settings
from telegram_manager.commanding.desk import Desk
from telegram_manager.commanding.killing import kill


def main() -> None:
    settings = load_settings(os.environ)
    desk = Desk.open(settings, load_registry(settings.alpha_bots_file), os.environ)
    kill(desk, sys.argv[1], by="killed manager", why="test", within_s=60)


if __name__ == "__main__":
    main()
