"""`alpha init`: what Docker needs before the first `up`."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable
from pathlib import Path

import click

from alpha.commands.shape import example, one_line

_ENV, _TEMPLATE, _COMPOSE = Path(".env"), Path(".env.example"), Path("docker-compose.production.yml")
_SOCKET = Path("/var/run/docker.sock")
_SERVICES_UID = 10001
"""Who the services run as where the platform is set up by root; else they run as whoever sets it up."""
_BACKUPS = Path("database/backups/postgres")
_LOGS = ("websocket_listener", "trade_sync_service", "telegram_manager", "paper_exchange")


@click.command(epilog=example("alpha init", "alpha init --mode demo", "alpha init --canary"))
@click.option(
    "--mode",
    type=click.Choice(["paper", "demo", "testnet", "live"]),
    help="ALPHA_MODE of a new .env.  [default: paper]",
)
@click.option("--canary", is_flag=True, help="In mode paper: a key for the canary's account too (profile canary).")
@one_line
def init(mode: str | None, canary: bool) -> None:
    """Writes .env with passwords of its own making and mode 600, and makes the folders that the containers write to.

    What is in .env already stays: run it again after adding a bot, or to fill in what a new release needs.
    """
    from alpha.config import ConfigError, Mode, load_registry, load_settings
    from alpha.config.env_file import fill, written
    from alpha.config.service_accounts import password_variables
    from alpha.local.private_file import write_private

    for needed in (_TEMPLATE, _COMPOSE):
        if not needed.is_file():
            raise ConfigError(f"{needed} is not here: run `alpha init` in the project's directory")
    is_new = not _ENV.exists()
    text = (_TEMPLATE if is_new else _ENV).read_text(encoding="utf-8")
    if is_new:
        text = text.replace("ALPHA_MODE=paper\n", f"ALPHA_MODE={mode or Mode.PAPER}\n", 1)
    elif mode is not None and written(text).get("ALPHA_MODE") != mode:
        raise ConfigError(
            f"{_ENV} has ALPHA_MODE={written(text).get('ALPHA_MODE', '')}: change it there, then run init"
        )
    settings = load_settings(written(text))
    registry = load_registry(settings.alpha_bots_file)
    uid, gid = _services_user()
    values = {name: secrets.token_urlsafe(32) for name in password_variables(registry)}
    values |= {"ALPHA_UID": str(uid), "ALPHA_GID": str(gid), "DOCKER_GID": _docker_group()}
    if settings.alpha_mode is Mode.PAPER:
        for name, account in registry.accounts.items():
            if canary or not _only_canaries(bot.strategy for bot in registry.bots_on(name)):
                values |= {account.key_env: secrets.token_hex(9), account.secret_env: secrets.token_hex(18)}
    text, filled = fill(text, values)
    write_private(_ENV.absolute(), text)
    strategies = sorted({bot.strategy.partition(":")[0].replace(".", "/") for bot in registry.bots.values()})
    folders = [*(Path(name) / "logs" for name in (*_LOGS, *strategies)), _BACKUPS]
    for folder in folders:
        _make_writable(folder, uid, gid)
    click.echo(f"{_ENV} {'written' if is_new else 'kept'}, mode 600, {len(filled)} values filled in")
    click.echo(f"log and backup folders belong to {uid}:{gid}, as whom the services run")
    if not values["DOCKER_GID"]:
        click.echo(f"{_SOCKET} is not there: set DOCKER_GID in {_ENV} to the group of Docker's socket")
    if settings.alpha_mode is not Mode.PAPER:
        click.echo(f"put the API keys of your accounts into {_ENV}; an account without a key is left out")
    click.echo(f"go on with: docker compose -f {_COMPOSE} up -d --build --wait")


def _services_user() -> tuple[int, int]:
    return (_SERVICES_UID, _SERVICES_UID) if os.getuid() == 0 else (os.getuid(), os.getgid())


def _docker_group() -> str:
    try:
        return str(_SOCKET.stat().st_gid)
    except OSError:
        return ""


def _only_canaries(strategies: Iterable[str]) -> bool:
    return all(strategy.startswith("strategies.canary:") for strategy in strategies)


def _make_writable(folder: Path, uid: int, gid: int) -> None:
    """For the services and for nobody else but root. What was written by another user before is handed over as well."""
    folder.mkdir(parents=True, exist_ok=True)
    if os.getuid() == 0:
        for path in (folder, *folder.rglob("*")):
            os.chown(path, uid, gid, follow_symlinks=False)
    folder.chmod(0o750)
