"""The types of single values that the tables name."""

from __future__ import annotations

from collections.abc import Mapping

from paper_exchange.fields.checks import Check, instance_of, object_of, text_of

_DECIMAL = r"-?\d+(\.\d+)?"

SCALARS: Mapping[str, Check] = {
    "text": instance_of(str, "text"),
    "decimal": text_of(_DECIMAL, "a decimal number in text"),
    "decimal?": text_of(f"({_DECIMAL})?", "a decimal number in text or empty text"),
    "digits": text_of(r"\d+", "a whole number in text"),
    "ms": text_of(r"\d{1,13}", "milliseconds in text"),
    "ms?": text_of(r"(\d{1,13})?", "milliseconds in text or empty text"),
    "instant": text_of(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "an instant of UTC in text"),
    "int": instance_of(int, "a whole number"),
    "bool": instance_of(bool, "true or false"),
    "object": instance_of(dict, "an object"),
    "nothing": object_of({}),
}
