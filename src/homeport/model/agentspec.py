# SPDX-License-Identifier: Apache-2.0
"""One agent as an agents file or a template describes it: every key checked, every value typed, each with its line."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from difflib import get_close_matches

from homeport.model import quantity
from homeport.model.plainyaml import Fill, Node, YamlTrouble
from homeport.model.policytext import backoff, delivery_policy
from homeport.model.source import Statement
from homeport.model.workload import DeliveryPolicy, HealthCheck, RestartPolicy, RetryPolicy

ORIGINS = ("image", "build", "dockerfile", "source")
"""Exactly one of these says what it is made of."""
KEYS = (
    *("name", "description", *ORIGINS, "ref", "start", "port", "env", "secrets", "resources", "healthCheck"),
    *("restart", "autoRestart", "delivery", "idempotency", "policy", "replicas", "persistence"),
    "dependencies",
)
_NOT_YET = {
    "volumes": "volumes are not carried out: an agent keeps its data in $HOMEPORT_DATA",
    "token": "tokens are not read from files: the one it gets is made when it is deployed",
}
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}")
_SECRET = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,127}")
_MOST = 200
_LONGEST_VALUE = 32_768


@dataclass(slots=True)
class AgentSpec:
    """`origin` is one of `ORIGINS` with its text in `place`; `dockerfile` is a path within a `build` folder.

    `line` and `key` are where the origin stands; `ref` chooses a state of a `source`.
    """

    name: str = ""
    origin: str = ""
    place: str = ""
    dockerfile: str = ""
    ref: str = ""
    line: int = 0
    key: str = ""
    statements: list[Statement] = field(default_factory=list)


def read_agent(node: Node, *, file: str, lines: list[str], fill: Fill) -> AgentSpec:
    """Raises `YamlTrouble` with the line and the key of the first thing that is wrong."""
    return _Reader(node, file, lines, fill).read()


def expect(node: Node, *kinds: str) -> Node:
    """The node, if it is of one of the kinds."""
    if node.kind not in kinds:
        wanted = " or ".join({"text": "a plain value", "list": "a list", "mapping": "a mapping"}[one] for one in kinds)
        raise node.trouble(f"expected {wanted}")
    return node


def known(node: Node, keys: tuple[str, ...]) -> Iterator[tuple[str, Node]]:
    """The entries of a mapping. An unknown key is an error that suggests the nearest one."""
    for name, value in expect(node, "mapping").entries.items():
        if name not in keys:
            near = get_close_matches(name[:60], keys, n=1, cutoff=0.6)
            says = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(keys)}"
            raise value.trouble(f"unknown key; {says}")
        yield name, value


def words_of(node: Node, fill: Fill) -> str:
    """A plain value with its variables filled in."""
    try:
        text = fill(expect(node, "text").text)
    except ValueError as error:
        raise node.trouble(str(error)) from None
    if "\0" in text:
        raise node.trouble("it holds a zero byte")
    return text


class _Reader:
    def __init__(self, node: Node, file: str, lines: list[str], fill: Fill) -> None:
        self.node, self.file, self.lines, self.fill = node, file, lines, fill
        self.spec = AgentSpec()

    def read(self) -> AgentSpec:
        for name in expect(self.node, "mapping").entries:
            if name in _NOT_YET:
                raise self.node.entries[name].trouble(_NOT_YET[name])
        for name, value in known(self.node, KEYS):
            if value.kind == "nothing":
                continue
            if name in ORIGINS:
                self._origin(name, value)
            elif name in _SIMPLE:
                target, read = _SIMPLE[name]
                self.say(target, self.take(value, read), value)
            else:
                getattr(self, f"_{name.lower()}")(value)
        if not self.spec.origin:
            raise self.node.trouble(f"nothing says what it is made of: give one of {', '.join(ORIGINS)}")
        return self.spec

    def say(self, target: str, value: object, node: Node) -> None:
        line = self.lines[node.line - 1][:1000] if 0 < node.line <= len(self.lines) else ""
        self.spec.statements.append(Statement(target, value, self.file, node.line, node.key, line))

    def take(self, node: Node, read: Callable[[object], object]) -> object:
        text = words_of(node, self.fill)
        try:
            return read(text)
        except ValueError as error:
            raise node.trouble(str(error)) from None

    def _origin(self, name: str, node: Node) -> None:
        if self.spec.origin:
            raise node.trouble(f"{self.spec.origin!r} says already what it is made of")
        self.spec.origin, self.spec.line, self.spec.key = name, node.line, node.key
        if name == "build" and node.kind == "mapping":
            for part, value in known(node, ("context", "dockerfile")):
                text = words_of(value, self.fill)
                if part == "context":
                    self.spec.place = text
                else:
                    self.spec.dockerfile = text
            self.spec.place = self.spec.place or "."
        else:
            self.spec.place = words_of(node, self.fill)
        if not self.spec.place.strip() or not self.spec.place.isprintable():
            raise node.trouble("it is empty or holds control characters")

    def _name(self, node: Node) -> None:
        self.spec.name = str(self.take(node, quantity.name))
        self.say("name", self.spec.name, node)

    def _description(self, node: Node) -> None:
        words_of(node, self.fill)

    def _ref(self, node: Node) -> None:
        self.spec.ref = words_of(node, self.fill)

    def _start(self, node: Node) -> None:
        if node.kind == "list":
            words = tuple(words_of(one, self.fill) for one in node.items)
        else:
            import shlex

            try:
                words = tuple(shlex.split(words_of(node, self.fill)))
            except ValueError:
                raise node.trouble("its quotes do not match") from None
        if not 0 < len(words) <= 128 or not words[0] or any(not word.isprintable() for word in words):
            raise node.trouble("expected a command of 1 to 128 words, without control characters")
        if node.kind == "text" and any(word and set(word) <= set(";&|<>") for word in words):
            raise node.trouble("a shell is not used: put the commands into a script and start that")
        self.say("start", words, node)

    def _env(self, node: Node) -> None:
        if node.kind == "list":
            pairs = [(*words_of(one, self.fill).partition("=")[::2], one) for one in node.items]
        else:
            pairs = [
                (name, "" if one.kind == "nothing" else words_of(one, self.fill), one)
                for name, one in expect(node, "mapping", "list").entries.items()
            ]
        for name, value, one in pairs[: _MOST + 1]:
            if not _VARIABLE.fullmatch(name):
                raise one.trouble("expected the name of a variable: letters, digits and _, no digit first")
            if len(value) > _LONGEST_VALUE or len(pairs) > _MOST:
                raise one.trouble(f"at most {_MOST} variables of {_LONGEST_VALUE} characters are taken")
            self.say("env", (name, value), one)

    def _secrets(self, node: Node) -> None:
        for one in expect(node, "list").items[: _MOST + 1]:
            name = words_of(one, self.fill)
            if not _SECRET.fullmatch(name):
                raise one.trouble("expected the name of a secret, never its value: homeport secret set NAME")
            self.say("secret", name, one)

    def _resources(self, node: Node) -> None:
        fields = {"memory": "memory_bytes", "cpu": "cpus", "gpu": "gpu"}
        reads = {"memory": quantity.memory_bytes, "cpu": quantity.cpus, "gpu": _gpu}
        for name, value in known(node, tuple(fields)):
            self.say(fields[name], self.take(value, reads[name]), value)

    def _healthcheck(self, node: Node) -> None:
        times = HealthCheck()
        given: dict[str, float] = {}
        for name, value in known(node, ("endpoint", "interval", "timeout", "retries", "startPeriod")):
            if name == "endpoint":
                self.say("health_path", self.take(value, quantity.health_path), value)
            elif name == "retries":
                given[name] = _count(self, value, 1, 1000)
            else:
                given[name] = float(str(self.take(value, quantity.seconds)))
                if given[name] <= 0 and name != "startPeriod":
                    raise value.trouble("expected more than no time")
        if given:
            checks = HealthCheck(
                path="",
                interval=given.get("interval", times.interval),
                timeout=given.get("timeout", times.timeout),
                retries=int(given.get("retries", times.retries)),
                start_period=given.get("startPeriod", times.start_period),
            )
            self.say("checks", checks, node)

    def _autorestart(self, node: Node) -> None:
        if "restart" in self.node.entries:
            raise node.trouble("'restart' says it already")
        self.say("restart", RestartPolicy(enabled=_truth(self, node)), node)

    def _restart(self, node: Node) -> None:
        usual = RestartPolicy()
        enabled, most, delay = True, usual.max_restarts, usual.delay
        for name, value in known(node, ("enabled", "maxRetries", "delay")):
            if name == "enabled":
                enabled = _truth(self, value)
            elif name == "maxRetries":
                most = _count(self, value, 0, 1000)
            else:
                delay = float(str(self.take(value, quantity.seconds)))
        policy = RestartPolicy(enabled, most, usual.window, delay, max(delay, usual.max_delay))
        self.say("restart", policy, node)

    def _replicas(self, node: Node) -> None:
        if _count(self, node, 0, 10_000) != 1:
            raise node.trouble("one replica is what is run: write 1, and another agent for another one")

    def _persistence(self, node: Node) -> None:
        for name, value in known(node, ("enabled", "retryPolicy")):
            if name == "enabled" and not _truth(self, value):
                self.say("warning", "its requests are kept all the same: persistence cannot be switched off", value)
            elif name == "retryPolicy":
                if "policy" in self.node.entries:
                    raise value.trouble("'policy' says it already")
                kind = backoff(self.take(value, backoff))
                self.say("policy", DeliveryPolicy(retry=RetryPolicy(kind=kind)), value)

    def _policy(self, node: Node) -> None:
        try:
            self.say("policy", delivery_policy(_plain(node, self.fill)), node)
        except ValueError as error:
            raise node.trouble(str(error)) from None

    def _dependencies(self, node: Node) -> None:
        if names := [words_of(one, self.fill) for one in expect(node, "list").items]:
            text = f"it depends on {', '.join(names[:20])}: start them first, nothing waits for them"
            self.say("warning", text, node)


def _plain(node: Node, fill: Fill) -> object:
    if node.kind == "list":
        return [_plain(one, fill) for one in node.items]
    if node.kind == "mapping":
        return {name: _plain(one, fill) for name, one in node.entries.items()}
    return words_of(node, fill)


def _count(reader: _Reader, node: Node, least: int, most: int) -> int:
    text = words_of(node, reader.fill)
    if not re.fullmatch(r"[0-9]{1,5}", text, re.A) or not least <= int(text) <= most:
        raise node.trouble(f"expected a whole number from {least} to {most}")
    return int(text)


def _truth(reader: _Reader, node: Node) -> bool:
    text = words_of(node, reader.fill).lower()
    if text not in ("true", "false", "yes", "no", "on", "off"):
        raise node.trouble("expected true or false")
    return text in ("true", "yes", "on")


def _gpu(value: object) -> object:
    return quantity.gpu({"true": "needed", "yes": "needed", "false": "no"}.get(str(value).lower(), value))


_SIMPLE: dict[str, tuple[str, Callable[[object], object]]] = {
    "port": ("port", quantity.port),
    "delivery": ("delivery", quantity.delivery),
    "idempotency": ("honours_keys", quantity.honours_keys),
}

__all__ = ["ORIGINS", "AgentSpec", "YamlTrouble", "expect", "known", "read_agent", "words_of"]
