"""From nothing to a platform that trades, as the guide says it. The tests of this file build on one another."""

from __future__ import annotations

import json
import re
import shutil
import stat
import subprocess
from pathlib import Path
from textwrap import dedent, indent

import pytest

from tests.compose.deployment import FILE, ROOT, Deployment, containers, docker, health, inspect, run
from tests.support import eventually

NEEDED_BY_SHORTSELLER = {
    "postgres",
    "redis",
    "migrate",
    "pgbouncer",
    "paper_exchange",
    "websocket_listener",
    "market_feed",
    "shortseller",
}


def test_a_bare_copy_of_the_example_is_refused_naming_a_variable(deployment: Deployment) -> None:
    kept = deployment.folder / ".env.kept"
    (deployment.folder / ".env").rename(kept)
    shutil.copy(deployment.folder / ".env.example", deployment.folder / ".env")
    try:
        done = deployment.compose("up", "--detach")
    finally:
        kept.rename(deployment.folder / ".env")
    assert done.returncode != 0
    assert "_PASSWORD is missing a value: is not set - run `alpha init`" in done.stderr
    assert containers() == {}


def test_init_makes_an_env_that_only_its_owner_reads_and_keeps_it(deployment: Deployment) -> None:
    path = deployment.folder / ".env"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    passwords = {name: value for name, value in deployment.env.items() if name.endswith("_PASSWORD")}
    assert len(passwords) == len(set(passwords.values()))
    assert all(len(value) >= 32 for value in passwords.values())
    before = path.read_text()
    assert deployment.alpha("init", "--canary").returncode == 0
    assert path.read_text() == before


def test_a_profile_that_contradicts_the_mode_does_not_start(deployment: Deployment) -> None:
    done = deployment.compose("--profile", "paper", "up", "--detach", "--wait", "paper_exchange", ALPHA_MODE="demo")
    assert done.returncode != 0
    said = deployment.compose("--profile", "paper", "logs", "paper_exchange", ALPHA_MODE="demo").stdout
    assert "ALPHA_MODE=demo and the paper exchange (profile paper) disagree" in said
    deployment.compose("--profile", "paper", "rm", "--force", "--stop", "paper_exchange")


def test_the_steps_of_the_description_typed_as_they_stand(deployment: Deployment) -> None:
    deployment.typed(f"docker compose -f {FILE} up -d postgres redis pgbouncer")
    assert health("trading_postgres") == "healthy"  # PgBouncer began after it
    deployment.typed(f"docker compose -f {FILE} up -d websocket_listener")
    deployment.typed(f"docker compose -f {FILE} up -d shortseller")
    assert _shown_by_following(deployment, "bot_running", "listener_started")
    bots = deployment.typed(
        'docker exec -it trading_postgres psql -U trading_user -d trading_db -c "SELECT * FROM trading.bots;"'
    )
    for bot in ("shortseller_001", "lxalgo_001", "momentum_001"):
        assert bot in bots
    password = deployment.env["REDIS_PASSWORD"]
    assert "PONG" in deployment.typed(f"docker exec trading_redis redis-cli -a {password} ping")
    assert "trading_shortseller" in deployment.typed("docker network inspect alpha_trading-network")


def _shown_by_following(deployment: Deployment, *events: str) -> str:
    """What `logs -f` shows until all these events have come by. It never ends by itself."""
    line = f"exec docker compose -f {FILE} logs -f shortseller websocket_listener"
    with subprocess.Popen(line, shell=True, cwd=deployment.folder, stdout=subprocess.PIPE, text=True) as following:
        assert following.stdout is not None
        seen = ""
        while not all(event in seen for event in events):
            shown = following.stdout.readline()
            assert shown, seen
            seen += shown
        following.terminate()
    return seen


@pytest.mark.usefixtures("deployment")
def test_one_strategy_brings_what_it_needs_and_no_more() -> None:
    assert set(containers()) == NEEDED_BY_SHORTSELLER
    eventually(lambda: health("trading_shortseller") == "healthy", 180, "the bot being healthy", every_s=1)


def test_the_whole_platform_is_healthy_and_trades(platform: Deployment) -> None:
    def all_healthy() -> bool:
        states = {service: health(container) for service, container in containers().items()}
        assert states.pop("migrate") == "exited"
        assert set(states.values()) == {"healthy"}, states
        return True

    eventually(all_healthy, 300, "every container being healthy", every_s=1)
    eventually(
        lambda: (
            {"shortseller_001", "canary_001", "canary_002"}
            <= set(platform.sql("SELECT DISTINCT bot FROM trading.fills").split())
        ),
        180,
        "fills of a strategy and of both canaries",
        every_s=1,
    )

    def all_well() -> bool:
        status = platform.alpha("status")
        assert status.returncode == 0, status.stdout + status.stderr
        return True

    eventually(all_well, 120, "nothing to be said against it", every_s=1)
    verdict = platform.alpha("verify")
    assert verdict.returncode == 0, verdict.stdout + verdict.stderr


def test_the_command_centre_answers_on_the_host_and_knows_the_pools(platform: Deployment) -> None:
    told = platform.alpha("c2", "status").stdout
    (pools,) = [line for line in told.splitlines() if "PgBouncer" in line]
    assert "served" in pools, told


@pytest.mark.usefixtures("platform")
def test_ports_are_on_loopback_only() -> None:
    for container, port in (("postgres", "5433"), ("pgbouncer", "6432"), ("redis", "6379")):
        bindings = inspect(f"trading_{container}")["NetworkSettings"]["Ports"]
        (published,) = [binding for found in bindings.values() if found for binding in found]
        assert published == {"HostIp": "127.0.0.1", "HostPort": port}


def test_logs_are_json_on_the_output_and_in_the_folder(platform: Deployment) -> None:
    shown = run(["docker", "logs", "trading_market_feed"])
    assert json.loads((shown.stdout + shown.stderr).splitlines()[0])["service"] == "feed"
    for path in ("websocket_listener/logs/listener.log", "strategies/shortseller/logs/shortseller_001.log"):
        lines = (platform.folder / path).read_text().splitlines()
        assert json.loads(lines[0])["event"]


def test_one_id_leads_from_the_order_over_the_fill_to_what_the_bot_made_of_it(platform: Deployment) -> None:
    newest = (
        "SELECT order_link_id FROM trading.fills JOIN trading.order_intents USING (bot, order_link_id)"
        " WHERE bot = 'canary_001' ORDER BY bot_seq DESC LIMIT 1"
    )
    link = eventually(lambda: platform.sql(newest), 120, "a fill of the canary", every_s=1)

    def trail() -> set[str]:
        shown = [run(["docker", "logs", f"trading_{service}"]) for service in ("canary", "websocket_listener")]
        lines = [line for each in shown for line in (each.stdout + each.stderr).splitlines() if link in line]
        return {json.loads(line)["event"] for line in lines}

    eventually(lambda: trail() >= {"order_placed", "fills_recorded", "fill_handled"}, 60, "the whole trail", every_s=1)


def test_round_trips_are_measured_and_no_login_asks_for_what_it_may_not(platform: Deployment) -> None:
    eventually(
        lambda: platform.sql("SELECT 1 FROM trading.trade_excursions LIMIT 1"), 240, "a measured round trip", every_s=1
    )
    assert docker("exec", "trading_redis", "redis-cli", "ACL", "LOG") == ""
    shown = run(["docker", "logs", "trading_postgres"])
    assert [line for line in (shown.stdout + shown.stderr).splitlines() if "permission denied" in line] == []


@pytest.mark.parametrize(
    ("service", "module"),
    [
        ("websocket_listener", "websocket_listener.writer"),
        ("websocket_listener", "alpha.ledger.fills"),
        ("paper_exchange", "paper_exchange.engine.matching"),
        ("shortseller", "alpha.bot.host"),
    ],
)
def test_inner_loops_run_as_machine_code(platform: Deployment, service: str, module: str) -> None:
    shown = f"import {module} as module; print(module.__file__)"
    done = platform.compose("exec", "-T", service, "python", "-c", shown)
    assert done.stdout.strip().endswith(".so"), f"{done.stdout}\n{done.stderr}"


def test_after_an_edit_only_that_bot_is_made_anew(platform: Deployment) -> None:
    before = containers()
    # What the bot depends on would get another image as well: here by an edit, elsewhere by a build cache that was
    # cleared or an image below it that was renewed.
    for edited in ("strategies/shortseller/strategy.py", "database/migrate.py"):
        path = platform.folder / edited
        path.write_text(path.read_text() + "\n# edited\n")
    platform.up("shortseller", options=("--build", "--no-deps"), fast=True)
    after = containers()
    assert {name for name in after if after[name] != before[name]} == {"shortseller"}


def test_a_bot_more_and_a_bot_less_touch_no_other_bot(platform: Deployment) -> None:
    kept = {name: (platform.folder / name).read_text() for name in ("bots.yaml", FILE)}
    logins, those_who_look_after_all, the_bot = lines_of_a_bot_more()
    _with_a_third_canary(platform, kept)
    before = containers()
    for line in (logins, those_who_look_after_all, the_bot):
        _run_line(platform, line)
    after = containers()
    renewed = {
        "migrate",
        "paper_exchange",
        "websocket_listener",
        "market_feed",
        "trade_sync_service",
        "telegram_manager",
    }
    assert {name for name in after if after[name] != before.get(name)} == renewed | {"canary_003"}
    fills = "SELECT 1 FROM trading.fills WHERE bot = 'canary_003' LIMIT 1"
    eventually(lambda: platform.sql(fills), 180, "a fill of the new bot", every_s=1)

    flattened = platform.alpha("c2", "flatten canary_003", "--yes")
    assert flattened.returncode == 0, flattened.stdout + flattened.stderr
    held = "SELECT 1 FROM trading.books WHERE bot = 'canary_003' AND quantity <> 0"
    eventually(lambda: platform.sql(held) == "", 60, "the new bot being flat", every_s=1)
    _run_line(platform, "DC stop canary_003")
    _run_line(platform, "DC rm --force canary_003")
    for name, text in kept.items():
        _replace(platform.folder / name, text)
    for line in (logins, those_who_look_after_all):
        _run_line(platform, line)
    assert {name for name, made in containers().items() if after[name] != made} == renewed
    assert platform.sql("SELECT rolcanlogin FROM pg_roles WHERE rolname = 'canary_003'") == "f"
    assert "canary_003" not in docker("exec", "trading_redis", "redis-cli", "ACL", "USERS").split()


def lines_of_a_bot_more() -> list[str]:
    """The commands of the guide, for a bot `canary_003` in mode paper."""
    guide = (ROOT / "docs/guides/DOCKER_STARTUP_GUIDE.md").read_text(encoding="utf-8")
    found = [line.strip() for line in guide.splitlines() if line.startswith("       DC ")]
    paper = [line.replace(" websocket_listener ", " paper_exchange websocket_listener ") for line in found]
    return [line.replace(" breakout", " canary_003") for line in paper]


def _run_line(platform: Deployment, line: str) -> None:
    """With checks that are asked often, as the platform has them."""
    done = platform.compose(*line.removeprefix("DC ").split(), fast=True)
    assert done.returncode == 0, f"{line}: {done.stderr}"


def _with_a_third_canary(platform: Deployment, kept: dict[str, str]) -> None:
    entry = dedent("""
        - id: canary_003
          code: cn3
          account: canary
          strategy: strategies.canary:Canary
          redis_db: 5
          symbols: [SOLUSDT]
          capital_usdt: 1000
    """)
    _replace(platform.folder / "bots.yaml", kept["bots.yaml"].rstrip() + indent(entry, "  "))
    compose = kept[FILE]
    (second,) = re.findall(r"  canary_002:\n(?:    .*\n)+", compose)
    passwords = "".join(re.findall(r"      CANARY_002_\w+_PASSWORD: .*\n", compose[: compose.index(second)]))
    for part, between in ((passwords, ""), (second, "\n")):
        compose = compose.replace(part, part + between + part.replace("_002", "_003"), 1)
    _replace(platform.folder / FILE, compose)
    assert platform.alpha("init", "--canary").returncode == 0


def _replace(path: Path, text: str) -> None:
    """As editors do: the old file stays what it is for whoever has it open, also as a container's mount."""
    beside = path.with_suffix(".new")
    beside.write_text(text)
    beside.rename(path)
