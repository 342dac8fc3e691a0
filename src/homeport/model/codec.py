# SPDX-License-Identifier: Apache-2.0
"""Records to JSON and back, strictly: unknown kinds and wrong types are errors, never guesses.

A stored record carries `kind` and `v`. Reading an older `v` runs the upcasts in order; a newer one is refused,
because an older program must not rewrite what it does not understand.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

from homeport.errors import HomeportError

T = TypeVar("T")

_kinds: dict[str, type[Any]] = {}
_names: dict[type[Any], str] = {}
_versions: dict[str, int] = {}
_upcasts: dict[tuple[str, int], Callable[[dict[str, Any]], dict[str, Any]]] = {}


def stored_as(kind: str, *, v: int = 1) -> Callable[[type[T]], type[T]]:
    """Class decorator: this record may be stored, under this kind and version."""

    def register(cls: type[T]) -> type[T]:
        _kinds[kind], _names[cls], _versions[kind] = cls, kind, v
        return cls

    return register


def upcast(
    kind: str, *, from_v: int
) -> Callable[[Callable[[dict[str, Any]], dict[str, Any]]], Callable[[dict[str, Any]], dict[str, Any]]]:
    """Function decorator: turns the data of version `from_v` into version `from_v + 1`."""

    def register(
        fn: Callable[[dict[str, Any]], dict[str, Any]],
    ) -> Callable[[dict[str, Any]], dict[str, Any]]:
        _upcasts[(kind, from_v)] = fn
        return fn

    return register


def kind_of(record_or_type: object) -> str:
    """The stored kind of a record or record class. Raises KeyError where it was never registered."""
    cls = record_or_type if isinstance(record_or_type, type) else type(record_or_type)
    return _names[cls]


def to_builtins(record: object) -> Any:
    """Any record as dicts, lists and scalars."""
    return msgspec.to_builtins(record)


def from_builtins(data: Any, cls: type[T]) -> T:
    """The strict reverse. Raises `HomeportError` naming the path of the first wrong value."""
    try:
        return msgspec.convert(data, cls)
    except msgspec.ValidationError as error:
        raise HomeportError(f"not a {cls.__name__}: {error}", operation="decode", subject=cls.__name__) from None


def to_json(value: object) -> bytes:
    return msgspec.json.encode(value)


def from_json(data: bytes | str, cls: type[T]) -> T:
    try:
        return msgspec.json.decode(data, type=cls)
    except msgspec.DecodeError as error:
        raise HomeportError(f"not a {cls.__name__}: {error}", operation="decode", subject=cls.__name__) from None


def pack(record: object) -> bytes:
    """A record as it is stored: `{"kind", "v", "data"}`."""
    kind = kind_of(record)
    return msgspec.json.encode({"kind": kind, "v": _versions[kind], "data": record})


def unpack(raw: bytes | str, cls: type[T]) -> T:
    """A stored record, upcast to today's version. Raises `HomeportError` for another kind or a newer version."""
    envelope = msgspec.json.decode(raw)
    kind, v, data = envelope["kind"], envelope["v"], envelope["data"]
    if _kinds.get(kind) is not cls:
        raise HomeportError(f"expected {kind_of(cls)}, found {kind}", operation="decode", subject=kind)
    if v > _versions[kind]:
        raise HomeportError(
            f"{kind} v{v} was written by a newer Homeport; this one reads up to v{_versions[kind]}",
            operation="decode",
            subject=kind,
            hint="use the newer version, or restore the backup made before the upgrade",
        )
    while v < _versions[kind]:
        data, v = _upcasts[(kind, v)](data), v + 1
    return from_builtins(data, cls)
