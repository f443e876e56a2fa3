"""Shapes of parts of messages, from how the tables write them to checks.

A shape is an object of `field: type`, or one of

    {row: [type, ...]}                     a list with one value for each type
    {each: type}                           an object with any names, all of whose values are of a type
    {one_of: [value, ...]}                 one of these values
    {like: shape, field: type, ...}        all fields of another shape, and these
    {part_of: shape, always: [field, ...]} any fields of another shape, these always

A type is a name of `scalars.SCALARS`, an enumeration (`name?`: or ""), a shape, `type|null`, `[type]` for a list of
them, or one of the forms above. A field is always sent unless it is written `{is: type, when: "a condition"}`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from alpha.domain.errors import AlphaError
from paper_exchange.fields.checks import Check, Field, list_of, mapping_of, object_of, one_of, or_null, row_of
from paper_exchange.fields.scalars import SCALARS


class TableUnusable(AlphaError):
    """A table names a type that does not exist, or is otherwise not as it must be."""


class Shapes:
    """All enumerations and shapes by name."""

    def __init__(self, enums: Mapping[str, list[Any]], shapes: Mapping[str, Any]) -> None:
        self._enums = enums
        self._shapes = shapes
        self._made: dict[str, Check] = {}

    def check_of(self, given: Any) -> Check:
        """What a type says, whichever way it is written. Raises TableUnusable."""
        match given:
            case str() if given.endswith("|null"):
                return or_null(self.check_of(given.removesuffix("|null")))
            case str():
                return self._named(given)
            case [inner]:
                return list_of(self.check_of(inner))
            case {"row": columns}:
                return row_of([self.check_of(column) for column in columns])
            case {"each": inner}:
                return mapping_of(self.check_of(inner))
            case {"one_of": values}:
                return one_of(values)
            case dict():
                return object_of(self._fields(given))
        raise TableUnusable(f"{given!r} is not a type")

    def _named(self, name: str) -> Check:
        enum = self._enums.get(name.removesuffix("?"))
        if enum is not None:
            return one_of([*enum, ""] if name.endswith("?") else enum)
        if name in SCALARS:
            return SCALARS[name]
        if name not in self._made:
            self._made[name] = self.check_of(self._shape(name))
        return self._made[name]

    def _fields(self, given: Mapping[str, Any]) -> dict[str, Field]:
        if "part_of" in given:
            whole = self._fields(self._shape(given["part_of"]))
            always = frozenset(given["always"])
            return {name: Field(field.check, "" if name in always else "it changed") for name, field in whole.items()}
        fields = self._fields(self._shape(given["like"])) if "like" in given else {}
        own = {name: kind for name, kind in given.items() if name != "like"}
        return fields | {name: self._field(kind) for name, kind in own.items()}

    def _field(self, kind: Any) -> Field:
        if isinstance(kind, dict) and "is" in kind:
            return Field(self.check_of(kind["is"]), kind["when"])
        return Field(self.check_of(kind))

    def _shape(self, name: str) -> Any:
        if name not in self._shapes:
            raise TableUnusable(f"there is no type, enumeration or shape {name}")
        return self._shapes[name]
