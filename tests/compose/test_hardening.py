"""Who may do what: what a container can, what it knows, and what a stranger on the network is told."""

from __future__ import annotations

import json
import subprocess

import pytest

from tests.compose.deployment import FILE, Deployment, containers, docker, inspect

pytestmark = pytest.mark.usefixtures("platform")

NETWORK = "alpha_trading-network"

# Variable of .env -> the services that are given it, by the value, under whatever name.
GIVEN = {
    "POSTGRES_PASSWORD": {"postgres", "migrate"},
    "REDIS_PASSWORD": {"redis", "migrate"},
    "PGBOUNCER_PASSWORD": {"pgbouncer", "migrate"},
    "WEBSOCKET_LISTENER_POSTGRES_PASSWORD": {"websocket_listener", "migrate"},
    "MARKET_FEED_REDIS_PASSWORD": {"market_feed", "migrate"},
    "SHORTSELLER_001_POSTGRES_PASSWORD": {"shortseller", "migrate"},
    "LXALGO_001_REDIS_PASSWORD": {"lxalgo", "migrate"},
    "SHORTSELLER_BYBIT_API_SECRET": {
        "shortseller", "websocket_listener", "paper_exchange", "trade_sync_service", "telegram_manager",
    },
    "CANARY_BYBIT_API_SECRET": {
        "canary", "canary_002", "websocket_listener", "paper_exchange", "trade_sync_service", "telegram_manager",
    },
}  # fmt: skip


def stranger(image: str, *command: str, network: str = NETWORK) -> subprocess.CompletedProcess[str]:
    """A command in a container that somebody started on our network."""
    return subprocess.run(
        ["docker", "run", "--rm", "--network", network, "--entrypoint", command[0], image, *command[1:]],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


def as_bot(platform: Deployment, statement: str) -> subprocess.CompletedProcess[str]:
    """A statement under the login of a bot, over PgBouncer as bots do."""
    password = platform.env["SHORTSELLER_001_POSTGRES_PASSWORD"]
    address = f"postgresql://shortseller_001:{password}@pgbouncer:6432/trading_db"
    return stranger("postgres:17", "psql", address, "-Atc", statement)


def redis_as_bot(platform: Deployment, *command: str) -> str:
    password = platform.env["SHORTSELLER_001_REDIS_PASSWORD"]
    arguments = ("redis-cli", "-h", "redis", "--user", "shortseller_001", "--pass", password, "--no-auth-warning")
    done = stranger("redis:8", *arguments, *command)
    return (done.stdout + done.stderr).strip()


def test_no_container_may_gain_or_write_more_than_it_needs() -> None:
    for service, container in containers().items():
        found = inspect(container)
        host = found["HostConfig"]
        assert host["ReadonlyRootfs"], service
        assert host["CapDrop"] == ["ALL"], service
        assert not host["CapAdd"], service
        assert host["SecurityOpt"] == ["no-new-privileges:true"], service
        assert not host["Privileged"], service
        assert host["Memory"] > 0, service
        assert host["PidsLimit"] > 0, service
        assert found["Config"]["User"].split(":")[0] not in ("", "0", "root"), service
        assert host["RestartPolicy"]["Name"] == ("no" if service == "migrate" else "unless-stopped"), service
        assert host["LogConfig"]["Config"]["max-size"], service


def test_only_the_proxy_sees_the_socket() -> None:
    seeing = {
        service
        for service, container in containers().items()
        if any("docker.sock" in mount["Source"] for mount in inspect(container)["Mounts"])
    }
    assert seeing <= {"docker_proxy"}


@pytest.mark.parametrize("variable", list(GIVEN))
def test_a_secret_is_where_it_is_needed_and_nowhere_else(platform: Deployment, variable: str) -> None:
    secret = platform.env[variable]
    holding = {service for service, container in containers().items() if secret in json.dumps(inspect(container))}
    assert holding == GIVEN[variable] & set(containers())


def secrets_of(platform: Deployment) -> set[str]:
    found = {value for name, value in platform.env.items() if name.endswith(("_PASSWORD", "_SECRET", "_KEY")) and value}
    assert len(found) > 20
    return found


def test_no_secret_is_in_a_log(platform: Deployment) -> None:
    for service, container in containers().items():
        done = subprocess.run(["docker", "logs", container], capture_output=True, text=True, check=True)
        assert not [value for value in secrets_of(platform) if value in done.stdout + done.stderr], service


def test_no_secret_is_in_an_image(platform: Deployment) -> None:
    for image in {inspect(container)["Config"]["Image"] for container in containers().values()}:
        told = docker("image", "inspect", image) + docker("history", "--no-trunc", image)
        assert not [value for value in secrets_of(platform) if value in told], image
    found = docker(
        "run", "--rm", "--user", "0", "--entrypoint", "find", "alpha/migrate", "/", "-xdev", "-name", ".env*"
    )
    assert found == ""


def test_no_secret_is_in_a_backup(platform: Deployment) -> None:
    asked = f"docker compose -f {FILE} exec postgres_backup"
    platform.typed(f"{asked} python -m database.backup --now")
    newest = max(path.name for path in (platform.folder / "database/backups/postgres").glob("*.dump"))
    written_out = platform.typed(f"{asked} pg_restore --file=- /app/database/backups/postgres/{newest}")
    assert "COPY trading.fills" in written_out
    assert not [value for value in secrets_of(platform) if value in written_out]


def test_redis_writes_down_what_it_is_told_and_refuses_rather_than_forgets() -> None:
    wanted = {"appendonly": "yes", "maxmemory-policy": "noeviction", "databases": "64"}
    for name, value in wanted.items():
        assert docker("exec", "trading_redis", "redis-cli", "config", "get", name).split() == [name, value]


def test_an_image_holds_the_core_and_its_own_folder() -> None:
    seen = docker("run", "--rm", "--entrypoint", "find", "alpha/shortseller", "/app", "-maxdepth", "2", "-name", "*")
    names = {line.removeprefix("/app/") for line in seen.splitlines()}
    assert {"alpha", "strategies/shortseller"} <= names
    assert not {"websocket_listener", "database", "tests", "strategies/lxalgo", ".env", "alpha/cli.py"} & names


_IMPORT_ALL = """
import importlib, pkgutil, sys
package = importlib.import_module(sys.argv[1])
for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
    if not module.name.endswith("__main__"):
        try:
            importlib.import_module(module.name)
        except ModuleNotFoundError as error:
            if error.name not in sys.argv[2:]:
                raise
"""


@pytest.mark.parametrize(
    ("image", "package", "left_out"),
    [
        # Recorded markets, which need it, are not played in containers.
        ("paper_exchange", "paper_exchange", ["pyarrow"]),
        ("websocket_listener", "websocket_listener", []),
        ("trade_sync_service", "trade_sync_service", []),
        ("telegram_manager", "telegram_manager", []),
        ("postgres_backup", "database.backup", []),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_image_has_every_package_that_its_own_folder_imports(image: str, package: str, left_out: list[str]) -> None:
    alone = ("run", "--rm", "--network", "none", "--entrypoint", "python", f"alpha/{image}")
    docker(*alone, "-c", _IMPORT_ALL, package, *left_out)


def test_a_stranger_is_let_in_nowhere() -> None:
    assert "NOAUTH" in stranger("redis:8", "redis-cli", "-h", "redis", "GET", "feed").stdout
    for server, port in (("postgres", "5432"), ("pgbouncer", "6432")):
        address = ("-h", server, "-p", port, "-U", "trading_user", "-d", "trading_db", "-w", "-c", "SELECT 1")
        done = stranger("postgres:17", "psql", *address)
        assert done.returncode != 0
        assert "password" in done.stderr


def test_a_login_of_a_bot_reads_and_cannot_write_fills(platform: Deployment) -> None:
    assert as_bot(platform, "SELECT count(*) >= 0 FROM trading.fills").stdout.strip() == "t"
    refused = as_bot(platform, "UPDATE trading.fills SET price = 1")
    assert "permission denied" in refused.stderr
    assert "permission denied" in as_bot(platform, "SELECT rolpassword FROM pg_authid").stderr


def test_a_user_of_a_bot_reaches_its_own_keys_only(platform: Deployment) -> None:
    assert redis_as_bot(platform, "SET", "shortseller_001:state", "x") == "OK"
    assert "NOPERM" in redis_as_bot(platform, "GET", "lxalgo_001:state")
    assert "NOPERM" in redis_as_bot(platform, "SET", "controls", "x")
    assert "NOPERM" in redis_as_bot(platform, "DEL", "shortseller_001:fills")
    assert "NOPERM" in redis_as_bot(platform, "FLUSHALL")
    assert "NOPERM" in redis_as_bot(platform, "FUNCTION", "FLUSH")
    assert "NOPERM" in redis_as_bot(platform, "DEL", "bus:alerts")
    assert "NOPERM" in redis_as_bot(platform, "CONFIG", "GET", "*")


def test_passwords_are_kept_as_scram_verifiers(platform: Deployment) -> None:
    weak = platform.sql("SELECT rolname FROM pg_authid WHERE rolcanlogin AND rolpassword NOT LIKE 'SCRAM-SHA-256$%'")
    assert weak == ""
    logins = platform.sql("SELECT rolname FROM pg_authid WHERE rolcanlogin AND rolsuper").split()
    assert logins == ["trading_user"]


# A stranger that was started beside ours, which nobody may touch through the proxy.
_ASK = """
import http.client, sys
connection = http.client.HTTPConnection("docker_proxy", 2375, timeout=20)
connection.request(sys.argv[1], sys.argv[2], body="{}", headers={"Content-Type": "application/json"})
answer = connection.getresponse()
print(answer.status, answer.read().decode(errors="replace"))
"""


def through_proxy(method: str, path: str) -> str:
    """Status and body of a request to the proxy, from a container on its network."""
    done = stranger("alpha/shortseller", "python", "-c", _ASK, method, path, network="alpha_control-network")
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_proxy_tells_of_our_own_containers_without_their_secrets(platform: Deployment) -> None:
    told = through_proxy("GET", "/containers/trading_shortseller/json")
    assert told.startswith("200"), told
    assert platform.env["SHORTSELLER_001_POSTGRES_PASSWORD"] not in told
    assert platform.env["SHORTSELLER_BYBIT_API_SECRET"] not in told


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/containers/trading_shortseller/exec"),
        ("POST", "/containers/create?name=mine"),
        ("POST", "/containers/trading_postgres/stop"),
        ("DELETE", "/containers/trading_shortseller"),
        ("GET", "/containers/trading_shortseller/archive?path=/app"),
        ("POST", "/build"),
        ("GET", "/secrets"),
    ],
)
def test_the_proxy_refuses_what_is_not_on_its_list(method: str, path: str) -> None:
    assert through_proxy(method, path).startswith("403")


def test_the_proxy_knows_no_container_that_is_not_ours() -> None:
    other = docker("run", "--detach", "--rm", "--entrypoint", "sleep", "redis:8", "300")
    try:
        for method, action in (("GET", "json"), ("GET", "logs?stdout=1"), ("POST", "stop")):
            assert through_proxy(method, f"/containers/{other}/{action}")[:3] in ("403", "404")
    finally:
        docker("rm", "--force", other)


def test_the_proxy_is_on_a_network_of_its_own() -> None:
    done = stranger("alpha/shortseller", "python", "-c", _ASK, "GET", "/containers/json")
    assert done.returncode != 0
    assert "docker_proxy" in done.stderr or "Name" in done.stderr
