"""The form of bots.yaml: its keys, and what each value alone may be."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Hashable
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, WrapValidator

from alpha.config.errors import ConfigError
from alpha.config.modes import Mode
from alpha.config.placeholders import is_placeholder
from alpha.domain.order_link_id import is_bot_code

_NAME = re.compile(r"[a-z][a-z0-9_]{0,31}")
_VARIABLE = re.compile(r"[A-Z][A-Z0-9_]{0,63}")
_STRATEGY = re.compile(r"[a-z_][a-z0-9_]*(\.[a-z_][a-z0-9_]*)*:[A-Za-z_][A-Za-z0-9_]*")
ALL = "all"
"""Instead of a list of symbols: every one that the exchange lists."""
_SYMBOL = re.compile(r"[A-Z0-9]{4,20}")


def _name(value: str) -> str:
    if not _NAME.fullmatch(value):
        raise ValueError(
            "must be lower-case letters, digits and _, starting with a letter, for example shortseller_001"
        )
    return value


def _variable(value: str) -> str:
    # The value is not repeated: somebody may have put the key itself here.
    if not _VARIABLE.fullmatch(value) or is_placeholder(value):
        raise ValueError("must be the name of an environment variable (upper case, digits, _), not the key itself")
    return value


def _code(value: str) -> str:
    if not is_bot_code(value):
        raise ValueError("must be 2 to 6 of a-z and 0-9, for example ss")
    return value


def _strategy(value: str) -> str:
    if not _STRATEGY.fullmatch(value):
        raise ValueError("must be package.module:Class, for example strategies.shortseller:ShortSeller")
    return value


def _symbol(value: str) -> str:
    if not _SYMBOL.fullmatch(value):
        raise ValueError("must be the exchange's symbol in upper case, for example BTCUSDT")
    return value


def _symbols(value: object, read: Callable[[object], tuple[str, ...]]) -> tuple[str, ...]:
    if value == ALL:
        return ()
    if isinstance(value, str):
        raise ValueError(f"must be a list like [BTCUSDT, ETHUSDT], or {ALL}")
    value = read(value)
    if not value:
        raise ValueError(f"is empty: name at least one symbol, or write `symbols: {ALL}`")
    if len(set(value)) != len(value):
        raise ValueError("names a symbol twice: remove one")
    return value


def _web(value: str) -> str:
    return _url(value, ("http://", "https://"))


def _stream(value: str) -> str:
    return _url(value, ("ws://", "wss://"))


def _url(value: str, schemes: tuple[str, ...]) -> str:
    if is_placeholder(value) or not value.startswith(schemes) or "<" in value:
        raise ValueError(f"must be a URL that starts with {' or '.join(schemes)}")
    return value


def _money(value: object) -> object:
    # YAML reads 1000.50 as a float; its shortest text is what was written.
    return str(value) if isinstance(value, float) else value


Name = Annotated[str, AfterValidator(_name)]
Variable = Annotated[str, AfterValidator(_variable)]
WebUrl = Annotated[str, AfterValidator(_web)]
StreamUrl = Annotated[str, AfterValidator(_stream)]


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class AccountEntry(_Entry):
    """One account as written."""

    mode: Mode | None = None
    key_env: Variable
    secret_env: Variable
    rest_url: WebUrl | None = None
    private_url: StreamUrl | None = None
    public_url: StreamUrl | None = None
    position_mode: Literal["one_way", "hedge"] = "one_way"


class BotEntry(_Entry):
    """One bot as written."""

    id: Name
    code: Annotated[str, AfterValidator(_code)]
    account: Name
    strategy: Annotated[str, AfterValidator(_strategy)]
    params: dict[str, Any] = Field(default_factory=dict)
    redis_db: Annotated[int, Field(ge=0, le=63, strict=True)]
    symbols: Annotated[tuple[Annotated[str, AfterValidator(_symbol)], ...], WrapValidator(_symbols)]
    """Empty: all that the exchange lists."""
    category: Literal["linear"] = "linear"
    capital_usdt: Annotated[Decimal, BeforeValidator(_money), Field(gt=0, allow_inf_nan=False)] | None = None
    side: Literal["long", "short"] | None = None


class BotsFile(_Entry):
    """The whole file as written."""

    accounts: dict[Name, AccountEntry]
    bots: tuple[BotEntry, ...]


def read_bots_file(path: Path) -> BotsFile:
    """Reads and checks the file's form. Raises ConfigError with one line naming the file, the key and the fix."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError(f"{path} does not exist: run in the project's directory or set ALPHA_BOTS_FILE") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from error
    try:
        content = yaml.load(text, Loader=_NoDuplicates)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = "" if mark is None else f", line {mark.line + 1}"
        raise ConfigError(f"{path}{where}: {error.problem}; correct the YAML") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: not YAML: {str(error).splitlines()[0]}") from None
    if not isinstance(content, dict):
        raise ConfigError(f"{path}: must have the keys accounts and bots")
    try:
        return BotsFile.model_validate(content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise ConfigError(
            f"{path}: {_where(content, first['loc'])} {_in_words(first['type'], first['msg'], first['loc'])}"
        ) from None


def _where(content: dict[str, Any], location: tuple[int | str, ...]) -> str:
    """The place of an error in a reader's words: `bots[canary_001].redis_db`."""
    words = ""
    for depth, part in enumerate(location):
        if part == "[key]":
            continue
        if isinstance(part, int):
            words += f"[{_id_of(content, part) if depth == 1 and location[0] == 'bots' else part}]"
        else:
            words += f".{part}" if words else part
    return words


def _id_of(content: dict[str, Any], index: int) -> str:
    try:
        return str(content["bots"][index]["id"])
    except (KeyError, TypeError, IndexError):
        return str(index)


def _in_words(kind: str, message: str, location: tuple[int | str, ...]) -> str:
    if kind == "missing":
        return "is missing: add it"
    if kind == "extra_forbidden":
        entries: dict[str, type[BaseModel]] = {"accounts": AccountEntry, "bots": BotEntry}
        known: type[BaseModel] = BotsFile if len(location) == 1 else entries[str(location[0])]
        near = difflib.get_close_matches(str(location[-1]), known.model_fields, n=1)
        fix = f"did you mean {near[0]}?" if near else "remove it"
        return f"is not a key: {fix} (keys: {', '.join(known.model_fields)})"
    return message.removeprefix("Value error, ").replace("Input should be", "must be")


class _NoDuplicates(yaml.SafeLoader):
    """YAML keeps the last of two equal keys silently; one of two accounts would vanish."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[object] = set()
        for key_node, _ in node.value:
            key = key_node.value
            if key in seen:
                raise yaml.constructor.ConstructorError(None, None, f"key {key} is there twice", key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep=deep)
