# SPDX-License-Identifier: Apache-2.0
"""A template's manifest: what it is called, which parameters it takes, and the agent that it makes.

The agent is described as in an agents file. `${parameter}` stands for the value of a parameter, never in `start`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from homeport.model.agentspec import AgentSpec, expect, known, read_agent, words_of
from homeport.model.names import LABEL
from homeport.model.plainyaml import Node, YamlTrouble, filler, read_yaml

MANIFEST = "template.yaml"
_KINDS = ("text", "number")
_VERSION = re.compile(r"\d{1,4}(\.\d{1,4}){1,2}", re.A)
_PARAMETER = re.compile(r"[a-z][a-z0-9_]{0,39}")
_LONGEST = 400


@dataclass(frozen=True, slots=True)
class Parameter:
    """`choices` () means any value of its kind; text is printable and at most 400 characters."""

    name: str
    description: str
    default: str
    choices: tuple[str, ...] = ()
    kind: str = "text"


@dataclass(frozen=True, slots=True)
class Template:
    """`file` and `lines` are what evidence points at."""

    name: str
    version: str
    description: str
    parameters: tuple[Parameter, ...]
    agent: Node
    file: str
    lines: tuple[str, ...]

    def made(self, given: Mapping[str, str]) -> AgentSpec:
        """The agent with these values. Raises `ValueError` for a value that is not allowed, `YamlTrouble`."""
        values = self.values(given)
        start = self.agent.entries.get("start")
        for node in (*start.items, start) if start else ():
            if "$" in node.text.replace("$$", ""):
                raise node.trouble("a start command takes no parameters: give them by env")
        return read_agent(self.agent, file=self.file, lines=list(self.lines), fill=filler(values))

    def values(self, given: Mapping[str, str]) -> dict[str, str]:
        """Every parameter with its value. Raises `ValueError` naming what may be given."""
        names = [one.name for one in self.parameters]
        for name in given:
            if name not in names:
                raise ValueError(f"there is no parameter {name[:60]!r}; there are: {', '.join(names) or 'none'}")
        return {one.name: _checked(one, given.get(one.name, one.default)) for one in self.parameters}


def read_template(text: str, file: str = MANIFEST) -> Template:
    """Raises `YamlTrouble` with line and key."""
    root = read_yaml(text)
    parts = dict(known(root, ("name", "version", "description", "parameters", "agent")))
    for key in ("name", "version", "description", "agent"):
        if key not in parts:
            raise YamlTrouble(f"there is no {key!r}", root.line, key)
    name, version, description = (_line(parts[key]) for key in ("name", "version", "description"))
    if not LABEL.fullmatch(name):
        raise parts["name"].trouble("expected lower-case letters, digits and inner hyphens")
    if not _VERSION.fullmatch(version):
        raise parts["version"].trouble("expected a version such as 0.1.0")
    listed = parts.get("parameters")
    parameters = (
        tuple(_parameter(one, node) for one, node in expect(listed, "mapping").entries.items()) if listed else ()
    )
    made = Template(name, version, description, parameters, parts["agent"], file, tuple(text.split("\n")))
    try:
        made.made({})
    except ValueError as error:
        raise YamlTrouble(f"a default is not allowed: {error}", listed.line if listed else 0, "parameters") from None
    return made


def _parameter(name: str, node: Node) -> Parameter:
    if not _PARAMETER.fullmatch(name):
        raise node.trouble("expected a name of lower-case letters, digits and _")
    parts = dict(known(node, ("description", "default", "choices", "type")))
    for key in ("description", "default"):
        if key not in parts:
            raise node.trouble(f"it has no {key!r}")
    kind = _line(parts["type"]) if "type" in parts else "text"
    if kind not in _KINDS:
        raise parts["type"].trouble(f"expected one of: {', '.join(_KINDS)}")
    choices = tuple(_line(one) for one in expect(parts["choices"], "list").items) if "choices" in parts else ()
    return Parameter(name, _line(parts["description"]), _line(parts["default"]), choices, kind)


def _checked(parameter: Parameter, value: str) -> str:
    if parameter.choices and value not in parameter.choices:
        raise ValueError(f"{parameter.name} is one of: {', '.join(parameter.choices)}")
    if parameter.kind == "number" and not re.fullmatch(r"-?\d{1,15}(\.\d{1,6})?", value, re.A):
        raise ValueError(f"{parameter.name} is a number")
    if not value.isprintable() or len(value) > _LONGEST:
        raise ValueError(f"{parameter.name} is one line of at most {_LONGEST} characters")
    return value


def _line(node: Node) -> str:
    return " ".join(words_of(node, _as_it_is).split())


def _as_it_is(text: str) -> str:
    return text


__all__ = ["MANIFEST", "Parameter", "Template", "read_template"]
