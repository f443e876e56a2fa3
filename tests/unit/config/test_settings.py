from __future__ import annotations

import re
from pathlib import Path

import pytest
from pydantic import ValidationError

from alpha.config import AccountConfig, ConfigError, Settings, credentials, environment, load_settings
from alpha.domain.ids import AccountName

ROOT = Path(__file__).parents[3]
ACCOUNT = AccountConfig(name=AccountName("main"), key_env="MAIN_KEY", secret_env="MAIN_SECRET")


@pytest.fixture
def no_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty working directory and none of our variables set."""
    for name in (*Settings.model_fields, "alpha_env_file"):
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_every_refusal_is_one_line_that_names_the_variable_and_not_its_value() -> None:
    for variable, value in (
        ("ALPHA_MODE", "prod"),
        ("POSTGRES_PORT", "hunter2"),
        ("POSTGRES_PORT", "0"),
        ("REDIS_PORT", "70000"),
        ("BYBIT_DEMO", "maybe"),
        ("ALPHA_LIVE_ACCOUNTS", "12, hunter2"),
        ("ALPHA_PAPER_URL", "hunter2"),
        ("LOG_FORMAT", "xml"),
        ("LISTENER_PORT", "-1"),
        ("POSTGRES_PASSWORD", "your_secure_password"),
        ("REDIS_PASSWORD", "changeme"),
    ):
        with pytest.raises(ConfigError) as refused:
            load_settings({variable: value})
        text = str(refused.value)
        assert text.startswith(variable)
        assert "\n" not in text
        assert "hunter2" not in text


def test_a_password_is_asked_for_when_it_is_needed_and_never_shown() -> None:
    settings = load_settings({})
    with pytest.raises(ConfigError, match="POSTGRES_PASSWORD is not set"):
        settings.dsn()
    with pytest.raises(ConfigError, match="REDIS_PASSWORD is not set"):
        settings.redis()
    given = load_settings({"POSTGRES_PASSWORD": "s3cret-1", "REDIS_PASSWORD": "s3cret-2"})
    assert given.dsn().password == "s3cret-1"
    assert given.redis().password == "s3cret-2"
    for shown in (repr(given), str(given), repr(given.dsn()), repr(given.redis())):
        assert "s3cret" not in shown


def test_readers_use_the_pooler_where_there_is_one() -> None:
    common = {"POSTGRES_HOST": "postgres", "POSTGRES_PASSWORD": "pw-1"}
    alone = load_settings(common)
    assert (alone.pooled_dsn(), alone.pooled) == (alone.dsn(), False)
    pooled = load_settings(common | {"POSTGRES_POOL_HOST": "pgbouncer", "POSTGRES_POOL_PORT": "6432"})
    assert (pooled.dsn().host, pooled.dsn().port) == ("postgres", 5432)
    assert (pooled.pooled_dsn().host, pooled.pooled_dsn().port, pooled.pooled) == ("pgbouncer", 6432, True)


def test_empty_variables_count_as_not_set() -> None:
    assert load_settings({"POSTGRES_PORT": "", "BYBIT_DEMO": " ", "ALPHA_MODE": ""}) == load_settings({})


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValidationError):
        load_settings({}).postgres_port = 1  # type: ignore[misc]


def test_the_environment_stands_above_the_env_file(no_environment: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (no_environment / ".env").write_text("POSTGRES_PORT=5433\nREDIS_PORT=7000\nSHORTSELLER_BYBIT_API_KEY=k$1\n")
    monkeypatch.setenv("REDIS_PORT", "7001")
    settings = load_settings()
    assert (settings.postgres_port, settings.redis_port) == (5433, 7001)
    assert environment()["SHORTSELLER_BYBIT_API_KEY"] == "k$1"
    monkeypatch.setenv("ALPHA_ENV_FILE", "")
    assert load_settings().postgres_port == 5432
    monkeypatch.setenv("ALPHA_ENV_FILE", "other.env")
    with pytest.raises(ConfigError, match=r"ALPHA_ENV_FILE names other\.env, which is not a file"):
        load_settings()


@pytest.mark.parametrize(
    "value", ["", "  ", "...", "your_api_key", "YOUR-KEY", "<key>", "changeme", "xxxxxxxx", "${KEY}"]
)
def test_empty_and_placeholder_keys_are_refused(value: str) -> None:
    with pytest.raises(ConfigError, match="MAIN_SECRET of account main is"):
        credentials(ACCOUNT, {"MAIN_KEY": "kT3bX9", "MAIN_SECRET": value})


def test_credentials_do_not_show_themselves() -> None:
    found = credentials(ACCOUNT, {"MAIN_KEY": "kT3bX9", "MAIN_SECRET": "zzQ81"})
    assert (found.key, found.secret) == ("kT3bX9", "zzQ81")
    assert "kT3bX9" not in repr(found)
    assert "zzQ81" not in repr(found)


def env_example() -> dict[str, str]:
    """Every variable of .env.example, also those behind `# `, with its value."""
    lines = (line.removeprefix("# ") for line in (ROOT / ".env.example").read_text().splitlines())
    pairs = (line.split("=", 1) for line in lines if "=" in line and line.split("=", 1)[0].isidentifier())
    return {name: value for name, value in pairs if name.isupper()}


def test_env_example_has_every_setting_and_no_secret() -> None:
    example = env_example()
    assert {name.upper() for name in Settings.model_fields} <= set(example)
    for name, value in example.items():
        if name.endswith(("PASSWORD", "KEY", "SECRET", "TOKEN")):
            assert value == "", f"{name} has a value in .env.example"


def test_env_example_has_every_variable_of_the_compose_file() -> None:
    asked = set(re.findall(r"\$\{(\w+)", (ROOT / "docker-compose.production.yml").read_text()))
    assert len(asked) > 50
    assert sorted(asked - env_example().keys()) == []


def test_a_copy_of_env_example_starts() -> None:
    assert load_settings(env_example()).alpha_mode == "paper"
