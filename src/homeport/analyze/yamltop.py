# SPDX-License-Identifier: Apache-2.0
"""The top level of a small YAML mapping, with line numbers. Nothing that grows when it is read gets through."""

from __future__ import annotations

from dataclasses import dataclass

_CHARS = 65_536
_EVENTS = 2_000
_DEPTH = 10


class YamlError(Exception):
    """`line` counts from 1; 0 means the file as a whole."""

    def __init__(self, message: str, line: int = 0) -> None:
        super().__init__(message)
        self.line = line


@dataclass(frozen=True, slots=True)
class Entry:
    """`raw` is a scalar as it was written: YAML reads the version 3.10 as 3.1."""

    key: str
    value: object
    line: int
    raw: str = ""


def read_top(text: str) -> list[Entry]:
    """The entries in order. Raises `YamlError` for anything but a plain mapping within the bounds."""
    import yaml  # 20 ms that only repositories with a manifest pay

    if len(text) > _CHARS:
        raise YamlError("it is larger than 64 KiB")
    try:
        _check_events(text, yaml)
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        if node is None:
            return []
        if not isinstance(node, yaml.MappingNode):
            raise YamlError("expected `key: value` lines", node.start_mark.line + 1)
        make = yaml.constructor.SafeConstructor()
        return [
            Entry(
                str(key.value),
                make.construct_object(value, deep=True),
                key.start_mark.line + 1,
                value.value if isinstance(value, yaml.ScalarNode) else "",
            )
            for key, value in node.value
        ]
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or "it is not valid YAML"
        raise YamlError(f"not valid YAML: {problem}", mark.line + 1 if mark else 0) from None
    except (ValueError, LookupError, OverflowError, RecursionError, AttributeError, TypeError):
        raise YamlError("a value in it cannot be read") from None


def _check_events(text: str, yaml) -> None:  # type: ignore[no-untyped-def]
    depth = 0
    for count, event in enumerate(yaml.parse(text, Loader=yaml.SafeLoader)):
        line = event.start_mark.line + 1
        if isinstance(event, yaml.AliasEvent):
            raise YamlError("aliases (*name) are not allowed", line)
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if count > _EVENTS or depth > _DEPTH:
            raise YamlError("it is too large or too deep", line)
