"""Who may ask PgBouncer's console how its pools stand."""

from __future__ import annotations

from configparser import ConfigParser
from pathlib import Path

from alpha.config.settings import Settings

PROJECT = Path(__file__).parents[2]


def pooler(option: str) -> str:
    settings = ConfigParser(inline_comment_prefixes=None)
    settings.read(PROJECT / "deploy" / "pgbouncer.ini")
    return settings["pgbouncer"][option]


def console(option: str) -> set[str]:
    return {name.strip() for name in pooler(option).split(",")}


def test_whoever_tells_the_pools_may_read_them() -> None:
    # The exporter, the command centre, and the owner, as whom `alpha c2 status` asks on the host.
    env = (PROJECT / ".env.example").read_text().splitlines()
    owner = Settings.model_fields["postgres_user"].default
    assert f"POSTGRES_USER={owner}" in env
    assert console("stats_users") == {"exporter", "telegram_manager", owner}


def test_nobody_but_itself_may_command_it() -> None:
    assert console("admin_users") == {"pgbouncer"}


def test_what_the_network_cut_off_is_let_go_of_as_soon_as_postgres_does() -> None:
    compose = (PROJECT / "docker-compose.production.yml").read_text()
    idle, interval, count = (int(pooler(f"tcp_keep{name}")) for name in ("idle", "intvl", "cnt"))
    assert (
        f"-c tcp_keepalives_idle={idle} -c tcp_keepalives_interval={interval} -c tcp_keepalives_count={count}"
        f" -c tcp_user_timeout={int(pooler('tcp_user_timeout')) // 1000}s"
    ) in compose


def test_who_hangs_in_a_transaction_does_not_keep_its_locks() -> None:
    assert 0 < int(pooler("idle_transaction_timeout")) <= 60
