# SPDX-License-Identifier: Apache-2.0
"""Restart with backoff, and stop restarting what only crashes.

The first and simplest healing: its action is RESTART or QUARANTINE; quarantine is reverted by a person's `start`.
"""

from __future__ import annotations

from dataclasses import dataclass

from homeport.model.finding import Action, ActionKind, Finding
from homeport.model.workload import RestartPolicy


@dataclass(frozen=True, slots=True)
class History:
    """Failures in a row, with no healthy stretch of the policy's window between them."""

    failures: int = 0


def decide(finding: Finding, policy: RestartPolicy, history: History, healthy_s: float) -> tuple[Action, History]:
    """What to do about an agent that is down after `healthy_s` healthy seconds, and the history with this failure."""
    count = 1 if healthy_s >= policy.window else history.failures + 1

    def action(kind: ActionKind, why: str, after_s: float = 0.0) -> tuple[Action, History]:
        return Action(kind, finding.namespace, finding.agent, why, after_s), History(count)

    if not policy.enabled:
        return action(ActionKind.QUARANTINE, f"restarts are off; it is down because: {finding.detail}")
    if count > policy.max_restarts:
        why = f"crash loop: {count} failures, never {policy.window:g} s healthy in between; the last: {finding.detail}"
        return action(ActionKind.QUARANTINE, why)
    delay = min(policy.delay * 2 ** (count - 1), policy.max_delay)
    return action(ActionKind.RESTART, finding.detail, delay)
