# SPDX-License-Identifier: Apache-2.0
"""What every Policy does. The fixture `policy` gives one that holds `PACKAGE`, whose rules are those of `REGO`."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from homeport.interfaces.policy import Policy

PACKAGE = "homeport.suite"
REGO = """
package homeport.suite

import rego.v1

default allow := false

allow if input.ok == true

reason := "it is ok" if allow
reason := "it is not ok" if not allow
"""


def deep(levels: int) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for _ in range(levels):
        value = {"a": value}
    return value


ODD: list[Any] = [
    {"ok": float("nan")},
    {"ok": {1, 2}},
    {"ok": b"true"},
    {"ok": "\ud800"},
    deep(5_000),
    {"ok": object()},
]


class PolicySuite:
    async def test_what_a_rule_proves_is_allowed_with_its_reason(self, policy: Policy) -> None:
        decision = await policy.decide(PACKAGE, {"ok": True})
        assert (decision.allow, decision.reason, decision.failed) == (True, "it is ok", False)

    async def test_what_no_rule_proves_is_denied_with_its_reason(self, policy: Policy) -> None:
        values: list[Any] = [False, None, "true", 1, [], {}, [True]]
        for value in values:
            decision = await policy.decide(PACKAGE, {"ok": value})
            assert (decision.allow, decision.reason, decision.failed) == (False, "it is not ok", False)
        assert not (await policy.decide(PACKAGE, {})).allow

    async def test_a_package_that_is_not_there_denies_and_says_that_nothing_decided(self, policy: Policy) -> None:
        for package in ("homeport.nowhere", "", "x; data.homeport.suite", "homeport.suite.allow", "..", "é"):
            decision = await policy.decide(package, {"ok": True})
            assert not decision.allow
            assert decision.failed and decision.reason

    @pytest.mark.parametrize("odd", ODD, ids=["nan", "set", "bytes", "surrogate", "deep", "object"])
    async def test_an_input_that_is_not_plain_json_denies_and_the_next_one_is_decided(
        self, policy: Policy, odd: dict[str, Any]
    ) -> None:
        assert not (await policy.decide(PACKAGE, odd)).allow
        assert (await policy.decide(PACKAGE, {"ok": True})).allow

    async def test_the_revision_stays_while_the_text_stays(self, policy: Policy) -> None:
        first = await policy.decide(PACKAGE, {"ok": True})
        second = await policy.decide("homeport.nowhere", {})
        assert first.revision == second.revision != ""

    async def test_each_of_many_at_once_gets_its_own_answer(self, policy: Policy) -> None:
        decisions = await asyncio.gather(*(policy.decide(PACKAGE, {"ok": n % 3 == 0, "n": n}) for n in range(60)))
        assert [d.allow for d in decisions] == [n % 3 == 0 for n in range(60)]

    async def test_a_caller_that_gives_up_does_not_shift_the_answers(self, policy: Policy) -> None:
        tasks = [asyncio.create_task(policy.decide(PACKAGE, {"ok": n % 2 == 0})) for n in range(8)]
        await asyncio.sleep(0)
        tasks[0].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert (await policy.decide(PACKAGE, {"ok": True})).allow
        assert not (await policy.decide(PACKAGE, {"ok": False})).allow

    async def test_after_closing_everything_is_denied(self, policy: Policy) -> None:
        await policy.close()
        await policy.close()
        assert not (await policy.decide(PACKAGE, {"ok": True})).allow
