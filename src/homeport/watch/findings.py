# SPDX-License-Identifier: Apache-2.0
"""From what was observed of an agent to a Finding. States only what was seen."""

from __future__ import annotations

from homeport.model.agent import Exit
from homeport.model.finding import Finding, FindingKind


def agent_down(namespace: str, agent: str, cause: str, exit_: Exit | None, at_us: int) -> Finding:
    """An agent that should run does not. Without an observed exit, `cause` is the failed check or start."""
    kind = FindingKind.UNHEALTHY if exit_ is None else FindingKind.EXITED
    known = exit_ is None or not exit_.lost
    return Finding(
        namespace=namespace,
        agent=agent,
        kind=kind,
        at_us=at_us,
        cause=cause if known else "undetermined",
        exit=exit_,
        detail=cause,
    )
