# SPDX-License-Identifier: Apache-2.0
"""A Policy of Python functions, kept honest by the suite that the real ones pass."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from homeport.interfaces.policy import Decision

Rule = Callable[[dict[str, Any]], tuple[bool, str]]


class RulePolicy:
    """`rules` maps a package to a function of the input that gives (allow, reason); `asked` keeps the inputs."""

    def __init__(self, rules: Mapping[str, Rule], *, revision: str = "test") -> None:
        self.rules = dict(rules)
        self.revision = revision
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self._closed = False

    @classmethod
    def allowing(cls, package: str = "homeport.authz") -> RulePolicy:
        """Says yes to everything in one package."""
        return cls({package: lambda _input: (True, "allowed")})

    async def decide(self, package: str, input: dict[str, Any]) -> Decision:
        try:
            if self._closed:
                raise ValueError("the policy is closed")
            plain = json.loads(json.dumps(input, allow_nan=False))
            self.asked.append((package, plain))
            allow, reason = self.rules[package](plain)
        except Exception as error:
            return Decision(False, f"the policy failed: {type(error).__name__}: {error}"[:500], self.revision, True)
        return Decision(allow is True, reason, self.revision)

    async def close(self) -> None:
        self._closed = True
