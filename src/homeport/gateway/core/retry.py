# SPDX-License-Identifier: Apache-2.0
"""When a request that may be sent again is, and when it is given up."""

from __future__ import annotations

from datetime import UTC
from email.utils import parsedate_to_datetime

from homeport.gateway.core.delivery import Verdict
from homeport.model.request import Headers, RequestState, StoredRequest
from homeport.model.workload import Backoff, RetryPolicy

DEADLINE = "its deadline passed"
"""In the outcome of every request that was given up for that."""
LONGEST_S = 3600.0
"""Seconds of a Retry-After that is waited for; an agent that asks for more is not asked again."""


def wait_before(policy: RetryPolicy, failures: int, chance: float) -> float:
    """Seconds before the attempt after `failures` (from 0) more than the first; the later half by `chance` (0..1)."""
    growth = {
        Backoff.FIXED: 1.0,
        Backoff.LINEAR: 1.0 + failures,
        Backoff.EXPONENTIAL: 2.0 ** min(failures, 30),
    }[policy.kind]
    return min(policy.max_delay, policy.delay * growth) * (0.5 + chance / 2)


def furthest(policy: RetryPolicy) -> float:
    """Seconds that any wait of this policy can last."""
    return max(policy.max_delay, LONGEST_S if policy.statuses else 0.0)


def retry_after(headers: Headers, now_us: int) -> float | None:
    """Seconds of a Retry-After, as a number or a date; None where it is absent or neither."""
    value = next((value for name, value in headers if name.lower() == b"retry-after"), b"").strip()
    if value.isdigit():
        return float(value[:10])
    try:
        at = parsedate_to_datetime(value[:64].decode("latin-1"))
        seconds = at.replace(tzinfo=at.tzinfo or UTC).timestamp()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return max(0.0, seconds - now_us / 1e6)


def after_status(
    request: StoredRequest, policy: RetryPolicy, *, asked: float | None, now_us: int, chance: float
) -> float | None:
    """The agent said "not done": in how many seconds it is asked again; None: never again.

    `asked` is its Retry-After, of which nothing is taken off. `request.attempts` includes this one.
    """
    if request.once or request.attempts >= policy.attempts or (asked or 0.0) > LONGEST_S:
        return None
    wait = max(asked or 0.0, wait_before(policy, request.attempts - 1, chance))
    then_us = now_us + int(wait * 1e6)
    if request.deadline_us and then_us >= request.deadline_us:
        return None
    if policy.deadline and then_us > request.accepted_at_us + policy.deadline * 1e6:
        return None
    return wait


def or_given_up(request: StoredRequest, verdict: Verdict, policy: RetryPolicy, *, next_us: int) -> Verdict:
    """The verdict on an attempt, or that there is no next one at `next_us`. Failed: nothing reached the agent."""
    if verdict.state is not RequestState.PENDING:
        return verdict
    why = ""
    if request.once:
        why = "its caller wants no second attempt"
    elif request.deadline_us and next_us >= request.deadline_us:
        why = DEADLINE
    elif verdict.attempted and policy.deadline and next_us > request.accepted_at_us + policy.deadline * 1e6:
        why = f"given up after {policy.deadline:g} s"
    if not why:
        return verdict
    reached = request.attempts - int(not verdict.attempted) > 0
    return Verdict(
        RequestState.DEAD if reached else RequestState.FAILED, f"{why}: {verdict.outcome}", verdict.attempted
    )


def expired(request: StoredRequest) -> Verdict:
    """Of a pending one whose deadline came."""
    state = RequestState.DEAD if request.attempts else RequestState.FAILED
    return Verdict(state, f"{DEADLINE}: {request.outcome}" if request.outcome else DEADLINE)


def missed_deadline(request: StoredRequest) -> bool:
    """Whether one that is given up was so for its deadline. The journal keeps the reason as clauses, each after a
    colon; what an agent or a socket said never counts for a request without a deadline."""
    return request.deadline_us > 0 and DEADLINE in request.outcome.split(": ")
