# SPDX-License-Identifier: Apache-2.0
"""What a question asks for, and whether an answer is that: the part of JSON Schema that our questions use. Pure.

Known: `type` (a name or a list of them), `enum`, `properties` with `required`, `items` with `minItems` and `maxItems`,
`minimum` and `maximum`. Every bound that a question has stands in its schema, so whoever fits an answer to it has
checked them all.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from homeport.model.paths import printable
from homeport.model.redaction import redact

_REASONING = 400


def _is_number(value: object) -> bool:
    if isinstance(value, bool):
        return False
    return isinstance(value, int) or (isinstance(value, float) and math.isfinite(value))


def _is_integer(value: object) -> bool:
    return _is_number(value) and (isinstance(value, int) or (isinstance(value, float) and value.is_integer()))


_TYPES: dict[str, Callable[[object], bool]] = {
    "null": lambda value: value is None,
    "boolean": lambda value: isinstance(value, bool),
    "string": lambda value: isinstance(value, str),
    "integer": _is_integer,
    "number": _is_number,
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
}


def answer_schema(properties: Mapping[str, Any]) -> dict[str, Any]:
    """The schema of an answer: these values, by their schemas, and why."""
    asked = {"reasoning": {"type": "string"}, **properties}
    return {"type": "object", "additionalProperties": False, "required": list(asked), "properties": asked}


def choice(names: Iterable[str]) -> dict[str, Any]:
    """The schema of one of these names, or null."""
    return {"type": ["string", "null"], "enum": [*map(str, names), None]}


def words_of(text: object, most: int = _REASONING) -> str:
    """Words of an answer as they may be shown: without secrets, one line of at most `most` characters."""
    return printable(redact(text[: most * 8]), most) if isinstance(text, str) else ""


def fit(value: object, schema: Mapping[str, Any], *, at: str = "the answer") -> Any:
    """The value without keys that nobody asked for; a key left out that may be null is null; 4.0 asked as integer is 4.

    Raises `ValueError` with one sentence that names the first thing that is wrong. It quotes at most 40 characters.
    """
    types = schema.get("type", ())
    types = (types,) if isinstance(types, str) else tuple(types)
    if types and not any(_TYPES[one](value) for one in types):
        raise ValueError(f"{at} is {_shown(value)}, not {' or '.join(types)}")
    if "enum" in schema and not any(value == one and type(value) is type(one) for one in schema["enum"]):
        raise ValueError(f"{at} is {_shown(value)}, which is not on the list")
    if isinstance(value, dict):
        return _object(value, schema, at)
    if isinstance(value, list):
        return _array(value, schema, at)
    if _is_number(value):
        return _number(value, schema, types, at)
    return value


def _object(value: dict[Any, Any], schema: Mapping[str, Any], at: str) -> dict[str, Any]:
    fitted: dict[str, Any] = {}
    for name, inner in schema.get("properties", {}).items():
        if name not in value:
            if "null" in inner.get("type", ()):
                fitted[name] = None
            elif name in schema.get("required", ()):
                raise ValueError(f"{at} has no {name}")
            continue
        fitted[name] = fit(value[name], inner, at=name)
    return fitted


def _array(value: list[Any], schema: Mapping[str, Any], at: str) -> list[Any]:
    least, most = schema.get("minItems", 0), schema.get("maxItems", math.inf)
    if not least <= len(value) <= most:
        raise ValueError(f"{at} has {len(value)} entries, not {least} to {most}")
    return [fit(one, schema.get("items", {}), at=f"an entry of {at}") for one in value]


def _number(value: Any, schema: Mapping[str, Any], types: tuple[str, ...], at: str) -> int | float:
    least, most = schema.get("minimum", -math.inf), schema.get("maximum", math.inf)
    if not least <= value <= most:
        bound = f"at least {least:g}" if value < least else f"at most {most:g}"
        raise ValueError(f"{at} is {_shown(value)}, and {bound} is allowed")
    if "integer" in types and "number" not in types:
        return int(value)
    return value if isinstance(value, int) else float(value)


def _shown(value: object) -> str:
    """A few words of an answer. Integers of thousands of digits are not written out."""
    if isinstance(value, int) and not isinstance(value, bool) and value.bit_length() > 64:
        return "a huge number"
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "a list"
    return printable(repr(value), 40)
