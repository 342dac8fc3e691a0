# SPDX-License-Identifier: Apache-2.0
"""Whether a value is what a schema asks for."""

from __future__ import annotations

import pytest

from homeport.model.answerschema import fit

SIZE = {"type": ["number", "null"], "minimum": 1, "maximum": 8}


@pytest.mark.parametrize(
    ("value", "schema", "fitted"),
    [
        (4, SIZE, 4), (4.5, SIZE, 4.5), (None, SIZE, None), (4.0, {"type": "integer"}, 4),
        ("a", {"type": "string", "enum": ["a"]}, "a"), ([1], {"type": "array", "items": SIZE, "maxItems": 1}, [1]),
        ({"a": 1, "b": 2}, {"type": "object", "properties": {"a": SIZE}, "required": ["a"]}, {"a": 1}),
        ({}, {"type": "object", "properties": {"a": SIZE}, "required": ["a"]}, {"a": None}),
    ],
)  # fmt: skip
def test_what_fits_comes_back_without_what_nobody_asked_for(value, schema, fitted):
    assert fit(value, schema) == fitted
    assert type(fit(value, schema)) is type(fitted)


@pytest.mark.parametrize(
    ("value", "schema", "said"),
    [
        (9, SIZE, "at most 8"), (0, SIZE, "at least 1"), (True, SIZE, "not number"), ("4", SIZE, "not number"),
        (float("nan"), SIZE, "not number"), (10**4000, SIZE, "a huge number"),
        (4.5, {"type": "integer"}, "not integer"),
        ("b", {"enum": ["a"]}, "not on the list"), (1, {"enum": [True]}, "not on the list"),
        ([1, 2], {"type": "array", "maxItems": 1}, "2 entries"), ({}, {"type": "string"}, "an object"),
        ({}, {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}, "has no a"),
        ([9], {"type": "array", "items": SIZE}, "an entry of"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_said_in_one_short_sentence(value, schema, said):
    with pytest.raises(ValueError, match=said) as raised:
        fit(value, schema)
    assert len(str(raised.value)) < 120
