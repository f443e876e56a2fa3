"""How a dataclass of a strategy's state is kept and restored."""

from __future__ import annotations

from dataclasses import MISSING, fields
from typing import Any

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

__all__ = ["CoreSchema", "kept"]


def kept(cls: type, handler: GetCoreSchemaHandler, **types: Any) -> CoreSchema:
    """What pydantic has to know of a dataclass with slots, for its `__get_pydantic_core_schema__`: the type of each
    field by its name.

    For a class whose module is compiled: there annotations say no more than a class, so that pydantic cannot find out
    by itself what is in a dict or whether a field may be None. Raises TypeError unless every field that is given to
    `__init__` has its type.
    """
    own = [field for field in fields(cls) if field.init]
    if [field.name for field in own] != list(types):
        raise TypeError(f"{cls.__name__} is made of {', '.join(field.name for field in own)}, in this order")
    arguments = []
    for field in own:
        schema = handler.generate_schema(types[field.name])
        if field.default is not MISSING:
            schema = core_schema.with_default_schema(schema, default=field.default)
        elif field.default_factory is not MISSING:
            schema = core_schema.with_default_schema(schema, default_factory=field.default_factory)
        arguments.append(core_schema.dataclass_field(field.name, schema, kw_only=False))
    return core_schema.dataclass_schema(
        cls,
        core_schema.dataclass_args_schema(cls.__name__, arguments),
        list(types),
        post_init=hasattr(cls, "__post_init__"),
        slots=True,
    )
