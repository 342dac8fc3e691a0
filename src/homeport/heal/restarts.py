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
    """Monotonic seconds of the failures that still count."""

    failures: tuple[float, ...] = ()


def decide(finding: Finding, policy: RestartPolicy, history: History, now: float) -> tuple[Action, History]:
    """What to do about an agent that is down, and the history with this failure in it."""
    failures = (*(at for at in history.failures if now - at <= policy.window), now)
    count = len(failures)

    def action(kind: ActionKind, why: str, after_s: float = 0.0) -> tuple[Action, History]:
        return Action(kind, finding.namespace, finding.agent, why, after_s), History(failures)

    if not policy.enabled:
        return action(ActionKind.QUARANTINE, f"restarts are off; it is down because: {finding.detail}")
    if count > policy.max_restarts:
        why = f"crash loop: {count} failures within {policy.window:g} s; the last: {finding.detail}"
        return action(ActionKind.QUARANTINE, why)
    delay = min(policy.delay * 2 ** (count - 1), policy.max_delay)
    return action(ActionKind.RESTART, finding.detail, delay)
