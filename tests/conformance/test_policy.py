# SPDX-License-Identifier: Apache-2.0
"""Every Policy driver, and the fake, does the same."""

from __future__ import annotations

import pytest

from homeport.drivers.policies.rego import Options, RegoPolicy
from homeport.testing.conformance.policy import PACKAGE, REGO, PolicySuite
from homeport.testing.policies import RulePolicy


class TestRulePolicy(PolicySuite):
    @pytest.fixture
    async def policy(self):
        def rule(input):
            return (True, "it is ok") if input.get("ok") is True else (False, "it is not ok")

        policy = RulePolicy({PACKAGE: rule})
        yield policy
        await policy.close()


class TestRegoPolicy(PolicySuite):
    @pytest.fixture
    async def policy(self, tmp_path):
        (tmp_path / "suite.rego").write_text(REGO)
        policy = RegoPolicy(Options(policies=(tmp_path,), deadline=20))
        yield policy
        await policy.close()
