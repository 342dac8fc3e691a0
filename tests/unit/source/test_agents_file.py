# SPDX-License-Identifier: Apache-2.0
"""Agents files: what is understood, and errors that name line and key."""

from __future__ import annotations

import pytest

from homeport.model.agentsfile import read_agents_file
from homeport.model.plainyaml import YamlTrouble, filler, read_yaml
from homeport.model.workload import Delivery, HealthCheck, RestartPolicy

HEAD = "apiVersion: agentainer/v1\nkind: AgentDeployment\nmetadata: {name: demo, labels: {a: b}}\nspec:\n  agents:\n"
FULL = (
    HEAD
    + """\
    - name: web
      description: answers
      image: example.org/team/web:1.2
      start: [serve, --port, "8080"]
      port: 8080
      env:
        MODE: fast
        SIZE: 010
        EMPTY:
        FROM: ${REGION:-eu}-${ZONE}
        PLAIN: $HOME and $$5
      secrets: [OPENAI_API_KEY]
      resources: {memory: 2Gi, cpu: 1500m, gpu: no}
      healthCheck: {endpoint: /live, interval: 5s, timeout: 500ms, retries: 4, startPeriod: 2m}
      restart: {enabled: true, maxRetries: 7, delay: 10s}
      delivery: at-least-once
      idempotency: honours-keys
      replicas: 1
      persistence: {enabled: true}
"""
)


def one(text, name="web", **values):
    return read_agents_file(text, "agents.yaml").agent(name, filler(values))


def test_everything_that_is_said_is_taken_with_its_line():
    spec = one(FULL, ZONE="b")
    said = {(s.field, s.value[0]) if s.field == "env" else s.field: s for s in spec.statements}
    assert (spec.origin, spec.place) == ("image", "example.org/team/web:1.2")
    assert said["start"].value == ("serve", "--port", "8080")
    assert said["port"].value == 8080 and (said["port"].line, said["port"].key) == (10, "spec.agents[0].port")
    assert said["env", "FROM"].value == ("FROM", "eu-b") and said["env", "PLAIN"].value == ("PLAIN", "$HOME and $5")
    assert said["env", "SIZE"].value == ("SIZE", "010"), "text stays as it was written"
    assert said["env", "EMPTY"].value == ("EMPTY", "") and said["env", "FROM"].text.strip().startswith("FROM: ${REGION")
    assert said["memory_bytes"].value == 2 * 2**30 and said["cpus"].value == 1.5
    assert said["checks"].value == HealthCheck("", 5.0, 0.5, 4, 120.0) and said["health_path"].value == "/live"
    assert said["restart"].value == RestartPolicy(True, 7, 60.0, 10.0, 30.0)
    assert said["delivery"].value is Delivery.AT_LEAST_ONCE and said["honours_keys"].value is True
    assert said["secret"].value == "OPENAI_API_KEY"


@pytest.mark.parametrize(
    ("lines", "where", "why"),
    [
        ("imagee: x", "7 spec.agents[0].imagee", "did you mean 'image'"),
        ("healthcheck: {}", "7 spec.agents[0].healthcheck", "did you mean 'healthCheck'"),
        ("zzz: 1", "7 spec.agents[0].zzz", "known are name, description"),
        ("image: a\n      source: b", "8 spec.agents[0].source", "'image' says already"),
        ("port: 0", "7 spec.agents[0].port", "between 1 and 65535"),
        ("port: [1]", "7 spec.agents[0].port", "expected a plain value"),
        ("env: {1A: x}", "7 spec.agents[0].env.1A", "name of a variable"),
        ("env: {A: [x]}", "7 spec.agents[0].env.A", "expected a plain value"),
        ("env:\n        - A=1\n        - =2", "9 spec.agents[0].env[1]", "name of a variable"),
        ("env: {A: '${NOPE}'}", "7 spec.agents[0].env.A", "${NOPE} has no value"),
        ("env: {A: '${'}", "7 spec.agents[0].env.A", "begins no name"),
        ("secrets: {A: b}", "7 spec.agents[0].secrets", "expected a list"),
        ("secrets: [sk-proj-1 2]", "7 spec.agents[0].secrets[0]", "never its value"),
        ("resources: {memory: 1}", "7 spec.agents[0].resources.memory", "between 16Mi"),
        ("resources: {cpu: -1}", "7 spec.agents[0].resources.cpu", "processors"),
        ("resources: {cpus: 1}", "7 spec.agents[0].resources.cpus", "did you mean 'cpu'"),
        ("healthCheck: {endpoint: health}", "7 spec.agents[0].healthCheck.endpoint", "begins with /"),
        ("healthCheck: {interval: 0}", "7 spec.agents[0].healthCheck.interval", "more than no time"),
        ("healthCheck: {timeout: 1y}", "7 spec.agents[0].healthCheck.timeout", "at most a day"),
        ("replicas: 2", "7 spec.agents[0].replicas", "one replica"),
        ("replicas: 1.0", "7 spec.agents[0].replicas", "whole number"),
        ("autoRestart: maybe", "7 spec.agents[0].autoRestart", "true or false"),
        ("autoRestart: true\n      restart: {}", "7 spec.agents[0].autoRestart", "'restart' says it"),
        ("volumes: []", "7 spec.agents[0].volumes", "$HOMEPORT_DATA"),
        ("token: abc", "7 spec.agents[0].token", "not read from files"),
        ("start: a && b", "7 spec.agents[0].start", "a shell is not used"),
        ("start: 'a \"b'", "7 spec.agents[0].start", "quotes"),
        ("start: ''", "7 spec.agents[0].start", "1 to 128 words"),
        ("delivery: once", "7 spec.agents[0].delivery", "exact-or-dead"),
        ("build: {target: x}", "7 spec.agents[0].build.target", "unknown key"),
        ("source: ''", "7 spec.agents[0].source", "empty"),
        ("description: x", "6 spec.agents[0]", "give one of image, build"),
        ("port: 1\n      port: 2", "8 spec.agents[0]", "twice"),
    ],
)
def test_what_is_wrong_is_named_with_line_and_key(lines, where, why):
    with pytest.raises(YamlTrouble) as wrong:
        one(HEAD + f"    - name: web\n      {lines}\n")
    assert f"{wrong.value.line} {wrong.value.key}" == where
    assert why in str(wrong.value)


@pytest.mark.parametrize(
    ("text", "where", "why"),
    [
        ("", "0 ", "empty"),
        ("[]", "1 ", "expected a mapping"),
        ("kind: AgentDeployment\nspec: {}", "1 apiVersion", "no 'apiVersion'"),
        ("apiVersion: v9\nkind: AgentDeployment\nspec: {}", "1 apiVersion", "agentainer/v1"),
        ("apiVersion: v1\nkind: Workflow\nspec: {}", "2 kind", "AgentDeployment"),
        ("apiVersion: v1\nkind: AgentDeployment", "1 spec", "no 'spec'"),
        ("apiVersion: v1\nkind: AgentDeployment\nspec: {agents: []}", "3 spec", "1 to 200 agents"),
        ("apiVersion: v1\nkind: AgentDeployment\nspec: {agent: []}", "3 spec.agent", "did you mean 'agents'"),
        ("apiVersion: v1\nkind: AgentDeployment\nspecs: {}", "3 specs", "did you mean 'spec'"),
        (HEAD + "    - image: x\n", "6 spec.agents[0]", "no 'name'"),
        (HEAD + "    - name: A_B\n", "6 spec.agents[0].name", "lower-case"),
        (HEAD + "    - {name: a, image: x}\n    - {name: a, image: y}\n", "7 spec.agents[1].name", "two agents"),
        (HEAD + "    - name: web\n\t image: x\n", "7 ", "not valid YAML"),
        (HEAD + "    - {name: web}\n---\na: 1\n", "7 ", "one document"),
    ],
)
def test_a_file_that_is_none_says_what_one_looks_like(text, where, why):
    with pytest.raises(YamlTrouble) as wrong:
        read_agents_file(text, "agents.yaml")
    assert f"{wrong.value.line} {wrong.value.key}" == where and why in str(wrong.value)


def bomb(levels: int) -> str:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    return "\n".join([*lines, *(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, levels))])


@pytest.mark.parametrize(
    "text",
    [
        bomb(9),
        "a: &a [*a]",
        "a: &a {b: *a}",
        "a: &a {<<: *a}",
        "x: " + "[" * 30_000,
        "x: " + "{a: " * 30_000,
        "".join(" " * n + f"k{n}:\n" for n in range(300)),
        "x: !!python/object/apply:os.system ['touch owned']",
        "x: !!binary aGk=",
        "x: !include /etc/passwd",
        "x: !!set {a}",
        "? [a, b]\n: c",
        "a: *nowhere",
        "a: \x00",
        "a: \x1b[2J",
        "- " * 50_000,
        "[x]: y",
        "<<: [a]",
        "a: 1\na: 2",
        "x" * 300_000,
        "%YAML 9.9\n---\na: 1",
        "a: 'unfinished",
        "\ufeff\ufeff: {",
    ],
    ids=lambda text: ascii(text[:20]),
)
def test_hostile_yaml_ends_in_an_error_with_a_line(text):
    with pytest.raises(YamlTrouble):
        read_yaml(text)


def test_aliases_and_merges_within_bounds_are_followed():
    text = (
        HEAD
        + """\
    - &base
      name: one
      image: x
      resources: &small {memory: 64Mi}
      env: &env {A: "1", B: "2"}
    - <<: *base
      name: two
      resources: {<<: *small, cpu: 2}
      env: {<<: *env, B: "3"}
"""
    )
    spec = one(text, "two")
    env = dict(s.value for s in spec.statements if s.field == "env")
    fields = {s.field: s.value for s in spec.statements}
    assert spec.name == "two" and env == {"A": "1", "B": "3"}
    assert (fields["memory_bytes"], fields["cpus"]) == (64 * 2**20, 2.0)


def test_variables_come_from_what_is_given_and_nowhere_else(monkeypatch):
    monkeypatch.setenv("HOME_GROWN", "leaked")
    text = HEAD + "    - {name: web, image: 'x:${TAG:-1}', env: {A: '${HOME_GROWN-not given}'}}\n"
    spec = one(text)
    assert spec.place == "x:1" and spec.statements[-1].value == ("A", "not given")
    assert one(text, TAG="2").place == "x:2"
    assert one(text, HOME_GROWN="${TAG}").statements[-1].value == ("A", "${TAG}"), "what was put in is not read again"


def test_a_value_cannot_add_a_key_to_the_file():
    spec = one(HEAD + "    - {name: web, image: x, env: {A: '${V}'}}\n", V="1}\n      port: 9, start: [sh]")
    assert [s.field for s in spec.statements] == ["name", "env"]
