# SPDX-License-Identifier: Apache-2.0
"""YAML as a tree of text with lines and keys: nothing is constructed, and nothing that grows gets through."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

LONGEST = 262_144
_NODES = 20_000
_DEPTH = 32
_EVENTS = 40_000
_VARIABLE = re.compile(r"\$(?:(\$)|\{([A-Za-z_][A-Za-z0-9_]{0,99})(?:(:?-)([^{}$]*))?\}|(\{))")
_CORE = frozenset(f"tag:yaml.org,2002:{name}" for name in "str int float bool null timestamp merge value".split())

Fill = Callable[[str], str]
"""Puts values for `${NAME}` into a text. Raises `ValueError` naming the one that is missing."""


class YamlTrouble(Exception):
    """`line` counts from 1, 0 for the file as a whole; `key` is the dotted path, "" at the top."""

    def __init__(self, message: str, line: int = 0, key: str = "") -> None:
        super().__init__(message)
        self.line, self.key = line, key


@dataclass(frozen=True, slots=True)
class Node:
    """One value: `entries` of a mapping, `items` of a list, or the `text` of a scalar as it was written.

    `kind` is "mapping", "list", "text" or "nothing" (null). `line` is where it is named.
    """

    kind: str
    line: int
    key: str
    text: str = ""
    items: tuple[Node, ...] = ()
    entries: Mapping[str, Node] = field(default_factory=dict)

    def trouble(self, message: str) -> YamlTrouble:
        return YamlTrouble(message, self.line, self.key)


def read_yaml(text: str) -> Node:
    """The only document in `text`. Raises `YamlTrouble`; aliases and merges count as what they stand for."""
    import yaml  # 20 ms that only those pay who read such a file

    if len(text) > LONGEST:
        raise YamlTrouble(f"it is larger than {LONGEST // 1024} KiB")
    try:
        depth = 0
        for count, event in enumerate(yaml.parse(text, Loader=yaml.SafeLoader)):
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if count > _EVENTS or depth > _DEPTH:
                mark = event.start_mark
                raise YamlTrouble("it is too large or too deep", mark.line + 1 if mark else 0)
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or "it cannot be read"
        if "expected a single document" in str(error):
            problem = "only one document (no second ---) is read"
        raise YamlTrouble(f"not valid YAML: {problem}", mark.line + 1 if mark else 0) from None
    except (ValueError, RecursionError):
        raise YamlTrouble("it cannot be read as YAML") from None
    if root is None:
        raise YamlTrouble("it is empty")
    return _Grower().grow(root, root.start_mark.line + 1, "", 0)


def filler(values: Mapping[str, str]) -> Fill:
    """Fills `${NAME}`, `${NAME-default}` and `${NAME:-default}` from `values` alone; `$$` stands for `$`."""

    def put(match: re.Match[str]) -> str:
        if match[1]:
            return "$"
        if match[5]:
            raise ValueError("${ begins no name of a variable; $$ stands for a plain $")
        value = values.get(match[2])
        if value is None or (value == "" and match[3] == ":-"):
            value = match[4]
        if value is None:
            raise ValueError(f"${{{match[2]}}} has no value here")
        return value

    return lambda text: _VARIABLE.sub(put, text)


class _Grower:
    """Counts every node as often as it is reached, so that a bomb of aliases ends early."""

    def __init__(self) -> None:
        self.count = 0

    def grow(self, raw: Any, line: int, key: str, depth: int) -> Node:
        self.count += 1
        if self.count > _NODES or depth > _DEPTH:
            raise YamlTrouble("it is too large or too deep once its aliases are followed", line, key)
        name = type(raw).__name__
        if name == "ScalarNode":
            if raw.tag not in _CORE:
                raise YamlTrouble(f"values of the kind {raw.tag.rpartition(':')[2]!r} are not read", line, key)
            nothing = raw.tag.endswith(":null") and raw.style is None
            return Node("nothing" if nothing else "text", line, key, "" if nothing else raw.value)
        if raw.tag not in ("tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"):
            raise YamlTrouble(f"values of the kind {raw.tag.rpartition(':')[2]!r} are not read", line, key)
        if name == "SequenceNode":
            items = tuple(
                self.grow(one, one.start_mark.line + 1, f"{key}[{at}]", depth + 1) for at, one in enumerate(raw.value)
            )
            return Node("list", line, key, items=items)
        return Node("mapping", line, key, entries=self._entries(raw, key, depth))

    def _entries(self, raw: Any, key: str, depth: int) -> dict[str, Node]:
        own: dict[str, Node] = {}
        merged: dict[str, Node] = {}
        for name, value in raw.value:
            line = name.start_mark.line + 1
            if type(name).__name__ != "ScalarNode":
                raise YamlTrouble("a key must be plain text", line, key)
            if name.tag.endswith(":merge"):
                node = self.grow(value, line, key, depth + 1)
                for one in node.items if node.kind == "list" else (node,):
                    if one.kind != "mapping":
                        raise YamlTrouble("<< takes a mapping", line, key)
                    merged = {**one.entries, **merged}
                continue
            if name.value in own:
                raise YamlTrouble(f"{name.value!r} stands here twice", line, key)
            own[name.value] = self.grow(value, line, f"{key}.{name.value}" if key else name.value, depth + 1)
        return {**merged, **own}
