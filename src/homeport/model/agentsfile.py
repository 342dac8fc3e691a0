# SPDX-License-Identifier: Apache-2.0
"""An agents file: `apiVersion`, `kind: AgentDeployment`, `spec.agents`. Which agents are in it, and one of them."""

from __future__ import annotations

from dataclasses import dataclass

from homeport.model import quantity
from homeport.model.agentspec import AgentSpec, expect, known, read_agent
from homeport.model.plainyaml import Fill, Node, YamlTrouble, read_yaml

VERSIONS = ("agentainer/v1", "homeport/v1", "v1")
KIND = "AgentDeployment"
_MOST = 200


@dataclass(frozen=True, slots=True)
class AgentsFile:
    """`agents` by name, in order, not looked into yet. `file` is what errors and evidence call it."""

    file: str
    lines: tuple[str, ...]
    agents: dict[str, Node]

    def agent(self, name: str, fill: Fill) -> AgentSpec:
        """Raises `YamlTrouble` for what is wrong with this one, `KeyError` where there is none of that name."""
        return read_agent(self.agents[name], file=self.file, lines=list(self.lines), fill=fill)


def read_agents_file(text: str, file: str) -> AgentsFile:
    """Raises `YamlTrouble` with line and key."""
    root = read_yaml(text)
    parts = dict(known(root, ("apiVersion", "kind", "metadata", "spec")))
    for name, allowed in (("apiVersion", VERSIONS), ("kind", (KIND,))):
        if name not in parts:
            raise YamlTrouble(f"there is no {name!r}: write {name}: {allowed[0]}", root.line, name)
        if expect(parts[name], "text").text not in allowed:
            raise parts[name].trouble(f"expected {' or '.join(allowed)}")
    if "metadata" in parts and parts["metadata"].kind != "nothing":
        for _, value in known(parts["metadata"], ("name", "description", "labels")):
            expect(value, "text", "mapping", "list")
    if "spec" not in parts:
        raise YamlTrouble("there is no 'spec' with its list of 'agents'", root.line, "spec")
    spec = dict(known(parts["spec"], ("agents",)))
    listed = expect(spec["agents"], "list").items if "agents" in spec else ()
    if not 0 < len(listed) <= _MOST:
        raise parts["spec"].trouble(f"expected a list of 1 to {_MOST} agents under 'agents'")
    return AgentsFile(file, tuple(text.split("\n")), _by_name(listed))


def _by_name(listed: tuple[Node, ...]) -> dict[str, Node]:
    agents: dict[str, Node] = {}
    for node in listed:
        named = expect(node, "mapping").entries.get("name")
        if named is None:
            raise node.trouble("this agent has no 'name'")
        name = expect(named, "text").text
        try:
            quantity.name(name)
        except ValueError as error:
            raise named.trouble(str(error)) from None
        if name in agents:
            raise named.trouble(f"there are two agents called {name!r}")
        agents[name] = node
    return agents
