"""Who may ask PgBouncer's console how its pools stand."""

from __future__ import annotations

from configparser import ConfigParser
from pathlib import Path

from alpha.config.settings import Settings

PROJECT = Path(__file__).parents[2]


def console(option: str) -> set[str]:
    settings = ConfigParser(inline_comment_prefixes=None)
    settings.read(PROJECT / "deploy" / "pgbouncer.ini")
    return {name.strip() for name in settings["pgbouncer"][option].split(",")}


def test_whoever_tells_the_pools_may_read_them() -> None:
    # The exporter, the command centre, and the owner, as whom `alpha c2 status` asks on the host.
    env = (PROJECT / ".env.example").read_text().splitlines()
    owner = Settings.model_fields["postgres_user"].default
    assert f"POSTGRES_USER={owner}" in env
    assert console("stats_users") == {"exporter", "telegram_manager", owner}


def test_nobody_but_itself_may_command_it() -> None:
    assert console("admin_users") == {"pgbouncer"}
