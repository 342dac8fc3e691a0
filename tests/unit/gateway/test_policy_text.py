# SPDX-License-Identifier: Apache-2.0
"""How an author says what may wait, in which order, and what is sent again."""

from __future__ import annotations

import pytest

from homeport.model.agentspec import read_agent
from homeport.model.plainyaml import YamlTrouble, read_yaml
from homeport.model.policytext import delivery_policy
from homeport.model.workload import Backoff, DeliveryPolicy, RetryPolicy


def test_every_key_is_taken() -> None:
    retry = {"kind": "linear", "attempts": "8", "delay": "1s", "maxDelay": "1m", "deadline": "10m",
             "statuses": [503, "429", 503]}  # fmt: skip
    assert delivery_policy({"concurrency": 4, "queue": "100", "retry": retry}) == DeliveryPolicy(
        RetryPolicy(Backoff.LINEAR, 8, 1.0, 60.0, 600.0, (429, 503)), False, 4, 100
    )
    assert delivery_policy({"ordered": True}) == DeliveryPolicy(ordered=True)
    assert delivery_policy({"retry": "fixed"}).retry == RetryPolicy(Backoff.FIXED)
    assert delivery_policy({}) == DeliveryPolicy()


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ([], "expected a mapping"),
        ({"order": True}, "unknown key 'order'"),
        ({"ordered": "perhaps"}, "ordered: expected true or false"),
        ({"concurrency": 0}, "concurrency: expected a whole number from 1 to 1024"),
        ({"concurrency": True}, "concurrency"),
        ({"durability": "none"}, "durability: expected full or relaxed"),
        ({"durability": False}, "durability"),
        ({"queue": -1}, "queue"),
        ({"queue": "9" * 5000}, "queue"),
        ({"ordered": True, "concurrency": 2}, "one request at a time"),
        ({"retry": {"kind": "quadratic"}}, "retry.kind: expected exponential, linear or fixed"),
        ({"retry": {"attempts": 0}}, "retry.attempts"),
        ({"retry": {"delay": "soon"}}, "retry.delay: expected a time"),
        ({"retry": {"delay": "10s", "maxDelay": "1s"}}, "retry.maxDelay"),
        ({"retry": {"statuses": [200]}}, "retry.statuses: expected a whole number from 400 to 599"),
        ({"retry": {"statuses": list(range(400, 430))}}, "at most 20"),
        ({"retry": {"statuses": {"a": 1}}}, "retry.statuses"),
        ({"retry": None}, "expected a mapping"),
    ],
)
def test_what_is_wrong_is_named(value: object, says: str) -> None:
    with pytest.raises(ValueError, match=says.replace(".", r"\.")):
        delivery_policy(value)


def said(text: str) -> object:
    """What an agents file says about the policy."""
    spec = read_agent(read_yaml(text), file="agents.yaml", lines=text.splitlines(), fill=lambda one: one)
    return next(one.value for one in spec.statements if one.field == "policy")


def test_an_agents_file_says_it_in_full_or_by_the_seeds_word() -> None:
    full = "image: x\npolicy:\n  queue: 5\n  retry: {attempts: 2, statuses: [503]}\n"
    assert said(full) == DeliveryPolicy(RetryPolicy(attempts=2, statuses=(503,)), queue=5)
    seeds = "image: x\npersistence:\n  retryPolicy: linear\n"
    assert said(seeds) == DeliveryPolicy(RetryPolicy(Backoff.LINEAR))


@pytest.mark.parametrize("text", ["policy: fast", "policy: {retry: {delay: }}", "policy: {queue: [1]}",
                                  "policy: {queue: 1}\npersistence: {retryPolicy: fixed}",
                                  "persistence: {retryPolicy: often}"])  # fmt: skip
def test_an_agents_file_that_is_wrong_says_where(text: str) -> None:
    with pytest.raises(YamlTrouble) as caught:
        said(f"image: x\n{text}\n")
    assert caught.value.line >= 2
