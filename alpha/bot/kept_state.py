"""How a dataclass of a strategy's state is kept and restored."""

from __future__ import annotations

from dataclasses import MISSING, fields
from typing import Any

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

__all__ = ["CoreSchema", "kept", "kept_by_init"]


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


def kept_by_init(cls: type, handler: GetCoreSchemaHandler, **types: Any) -> CoreSchema:
    """The same for a class with an `__init__` of its own: where it is compiled there is no making one without calling
    that. An argument with a default may be left out."""
    own = {field.name: field for field in fields(cls)}
    schemas = {name: handler.generate_schema(kind) for name, kind in types.items()}
    arguments = [
        core_schema.dataclass_field(
            name,
            schema
            if own[name].default is MISSING
            else core_schema.with_default_schema(schema, default=own[name].default),
            kw_only=False,
        )
        for name, schema in schemas.items()
    ]
    made = core_schema.no_info_after_validator_function(
        lambda given: cls(**given[0]), core_schema.dataclass_args_schema(cls.__name__, arguments)
    )
    return core_schema.union_schema(
        [core_schema.is_instance_schema(cls), made],
        mode="left_to_right",
        serialization=core_schema.plain_serializer_function_ser_schema(
            lambda each: {name: getattr(each, name) for name in types},
            return_schema=core_schema.typed_dict_schema(
                {name: core_schema.typed_dict_field(schema) for name, schema in schemas.items()}
            ),
        ),
    )
