# SPDX-License-Identifier: Apache-2.0
"""When it is tried again, when it is given up, and what a broken agent is spared: decided without a socket."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homeport.gateway.core.attempt import Answered, Attempt, Complete, Cut, Declined, Gone, HangUp, Lost, Relay, Release
from homeport.gateway.core.circuit import MOST_S, TRIP, Circuit
from homeport.gateway.core.delivery import Sent, Verdict
from homeport.gateway.core.message import ResponseHead
from homeport.gateway.core.retry import (
    DEADLINE,
    after_status,
    expired,
    missed_deadline,
    or_given_up,
    retry_after,
    wait_before,
)
from homeport.model.request import RequestState
from homeport.model.workload import Backoff, RetryPolicy
from homeport.testing.conformance.journal import flying

BUSY = ResponseHead(503, "Busy", (), 4)
LAST = Verdict(RequestState.DEAD, "given up after 3 attempts: the agent answered 503")
AGAIN = Verdict(RequestState.PENDING, "the agent answered 503", after=7.0)


@pytest.mark.parametrize(
    ("kind", "waits"),
    [
        (Backoff.FIXED, [1, 1, 1, 1]),
        (Backoff.LINEAR, [1, 2, 3, 4]),
        (Backoff.EXPONENTIAL, [1, 2, 4, 5]),
    ],
)
def test_waits_grow_as_the_policy_says_up_to_its_longest(kind: Backoff, waits: list[float]) -> None:
    policy = RetryPolicy(kind, delay=1.0, max_delay=5.0)
    assert [wait_before(policy, n, 1.0) for n in range(4)] == waits
    assert [wait_before(policy, n, 0.0) for n in range(4)] == [one / 2 for one in waits]


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (b"0", 0.0), (b"120", 120.0), (b"9" * 5000, 9999999999.0), (b"-1", None), (b"1.5", None), (b"", None),
        (b"soon", None), (b"\xff\xfe", None), (b"Thu, 01 Jan 1970 00:01:40 GMT", 90.0),
        (b"Thu, 01 Jan 1970 00:00:01 GMT", 0.0), (b"Thu, 99 Jan 1970 00:00:01 GMT", None),
    ],
)  # fmt: skip
def test_a_retry_after_is_a_number_or_a_date_or_nothing(value: bytes, seconds: float | None) -> None:
    assert retry_after(((b"retry-AFTER", value),), 10_000_000) == seconds


@given(st.binary(max_size=200))
def test_no_retry_after_breaks_anything(value: bytes) -> None:
    found = retry_after(((b"Retry-After", value),), 0)
    assert found is None or found >= 0


def test_an_answer_that_says_not_now_is_not_passed_on_until_it_is_the_last() -> None:
    attempt = Attempt(repeatable=True, attempts=1)
    assert attempt.handle(Declined(BUSY, 7.0)) == ()
    assert attempt.handle(Answered()) == (Release(AGAIN),)
    attempt = Attempt(repeatable=True, attempts=3)
    assert attempt.handle(Declined(BUSY, None)) == (Relay(BUSY),)
    assert attempt.handle(Answered()) == (Complete(LAST),)


def test_not_now_stays_not_now_if_the_rest_of_the_answer_is_lost() -> None:
    for event, first in ((Lost("x", Sent.PERHAPS), ()), (Gone("x"), (HangUp(),))):
        attempt = Attempt(repeatable=True, attempts=1)
        attempt.handle(Declined(BUSY, 7.0))
        assert attempt.handle(event) == (*first, Release(AGAIN))
    attempt = Attempt(repeatable=True, attempts=3)
    attempt.handle(Declined(BUSY, None))
    assert attempt.handle(Lost("x", Sent.PERHAPS)) == (Cut(), Release(LAST))


def test_what_the_agent_asks_for_is_never_shortened_and_never_goes_past_a_deadline() -> None:
    policy = RetryPolicy(attempts=3, statuses=(503,))
    now = {"now_us": 10**9, "chance": 0.5}
    one = flying(accepted_at_us=10**9)
    assert after_status(one, policy, asked=9.0, **now) == 9.0  # type: ignore[arg-type]
    assert after_status(flying(attempts=3), policy, asked=None, **now) is None  # type: ignore[arg-type]
    assert after_status(flying(once=True), policy, asked=None, **now) is None  # type: ignore[arg-type]
    assert after_status(one, policy, asked=3601.0, **now) is None  # type: ignore[arg-type]
    late = flying(accepted_at_us=10**9, deadline_us=10**9 + 9_000_000)
    assert after_status(late, policy, asked=9.0, **now) is None  # type: ignore[arg-type]
    assert after_status(late, policy, asked=8.0, **now) == 8.0  # type: ignore[arg-type]


def test_a_missed_deadline_is_what_the_gateway_gave_it_up_for_and_nothing_an_agent_says() -> None:
    late = flying(deadline_us=5)
    lost = Attempt(repeatable=False, attempts=1).handle(Gone(DEADLINE))[-1]
    assert isinstance(lost, Release)
    verdicts = [
        expired(late),
        lost.verdict,
        or_given_up(late, Verdict(RequestState.PENDING, "interrupted"), RetryPolicy(), next_us=9),
    ]
    assert all(missed_deadline(flying(deadline_us=5, outcome=verdict.outcome)) for verdict in verdicts)
    assert not missed_deadline(flying(outcome=DEADLINE))
    assert not missed_deadline(flying(deadline_us=5, outcome=f"outcome unknown: it wrote {DEADLINE} and left"))


def test_given_up_is_failed_only_if_nothing_ever_reached_the_agent() -> None:
    refused = Verdict(RequestState.PENDING, "refused", attempted=False)
    died = Verdict(RequestState.PENDING, "interrupted")
    states = [
        or_given_up(flying(attempts=n, deadline_us=5), verdict, RetryPolicy(), next_us=5).state
        for n, verdict in ((1, refused), (2, refused), (1, died))
    ]
    assert states == [RequestState.FAILED, RequestState.DEAD, RequestState.DEAD]
    assert or_given_up(flying(deadline_us=6), died, RetryPolicy(), next_us=5) is died
    assert or_given_up(flying(), refused, RetryPolicy(deadline=1.0), next_us=10**12) is refused
    assert or_given_up(flying(), died, RetryPolicy(deadline=1.0), next_us=10**12).state is RequestState.DEAD


def test_a_broken_agent_is_tried_by_one_at_a_time_and_ever_more_seldom() -> None:
    circuit = Circuit()
    for _ in range(TRIP - 1):
        circuit.failed(0.0)
    assert (circuit.open, circuit.places(0.0, 16)) == (False, 16)
    for _ in range(11):  # all that were under way together
        circuit.failed(0.0)
    assert (circuit.open, circuit.places(0.4, 16)) == (True, 0)
    assert circuit.wait(0.4) == pytest.approx(0.1)
    now, waits = 0.5, []
    for _ in range(6):
        assert circuit.places(now, 16) == 1
        circuit.taken(now)
        assert circuit.places(now, 16) == 0
        circuit.failed(now)
        waits.append(circuit.wait(now))
        now += circuit.wait(now)
    assert waits == [1.0, 2.0, 4.0, MOST_S, MOST_S, MOST_S]


def test_one_that_tries_and_is_never_heard_of_does_not_keep_the_rest_out() -> None:
    circuit = Circuit()
    for _ in range(TRIP):
        circuit.failed(0.0)
    circuit.taken(0.5)
    assert (circuit.places(0.9, 16), circuit.places(1.0, 16), circuit.places(1.0, 0)) == (0, 1, 0)
