# SPDX-License-Identifier: Apache-2.0
"""The decisions of the gateway, as tables."""

from __future__ import annotations

import pytest

from homeport.gateway.core.access import split_target
from homeport.gateway.core.attempt import (
    Answered,
    Answering,
    Attempt,
    Complete,
    Cut,
    Gone,
    HangUp,
    Lost,
    Refused,
    Relay,
    Release,
    SendAgain,
)
from homeport.gateway.core.delivery import MAX_ATTEMPTS, Sent, Verdict, after_loss, backoff, may_repeat
from homeport.gateway.core.message import ResponseHead
from homeport.gateway.core.prefer import wait_preference
from homeport.model.request import RequestState
from homeport.model.workload import Delivery

EXACT, AGAIN = Delivery.EXACT_OR_DEAD, Delivery.AT_LEAST_ONCE
PENDING, DEAD = RequestState.PENDING, RequestState.DEAD


@pytest.mark.parametrize(
    ("method", "keyed", "honours_keys", "delivery", "allowed"),
    [
        ("GET", False, False, EXACT, True),
        ("HEAD", False, False, EXACT, True),
        ("OPTIONS", False, False, EXACT, True),
        ("PUT", False, False, EXACT, True),
        ("DELETE", False, False, EXACT, True),
        ("POST", False, False, EXACT, False),
        ("PATCH", False, False, EXACT, False),
        ("QUERY", False, False, EXACT, False),
        ("POST", True, False, EXACT, False),
        ("POST", False, True, EXACT, False),
        ("POST", True, True, EXACT, True),
        ("POST", False, False, AGAIN, True),
    ],
)
def test_what_may_be_sent_a_second_time(
    method: str, keyed: bool, honours_keys: bool, delivery: Delivery, allowed: bool
) -> None:
    assert may_repeat(method, keyed=keyed, honours_keys=honours_keys, delivery=delivery) is allowed


@pytest.mark.parametrize(
    ("sent", "repeatable", "attempts", "state", "attempted"),
    [
        (Sent.NOTHING, False, 1, PENDING, False),
        (Sent.NOTHING, True, 99, PENDING, False),
        (Sent.PERHAPS, False, 1, DEAD, True),
        (Sent.PERHAPS, True, 1, PENDING, True),
        (Sent.PERHAPS, True, MAX_ATTEMPTS - 1, PENDING, True),
        (Sent.PERHAPS, True, MAX_ATTEMPTS, DEAD, True),
    ],
)
def test_what_becomes_of_a_lost_attempt(
    sent: Sent, repeatable: bool, attempts: int, state: RequestState, attempted: bool
) -> None:
    verdict = after_loss(sent, repeatable=repeatable, attempts=attempts, why="it died")
    assert (verdict.state, verdict.attempted) == (state, attempted)
    assert "it died" in verdict.outcome


HEAD = ResponseHead(200, "OK", (), 5)
UNKNOWN = Release(Verdict(DEAD, "outcome unknown: x"))
CUT_OFF = Release(Verdict(PENDING, "interrupted: x"))
UNSENT = Release(Verdict(PENDING, "x", attempted=False))
PERHAPS, NOTHING = Lost("x", Sent.PERHAPS), Lost("x", Sent.NOTHING)
STALE = Lost("x", Sent.PERHAPS, stale=True)


@pytest.mark.parametrize(
    ("repeatable", "story"),
    [
        (False, [(Answering(HEAD), (Relay(HEAD),)), (Answered(), (Complete(),)), (PERHAPS, ())]),
        (False, [(Refused("x"), (UNSENT,)), (Gone("y"), ())]),
        (False, [(PERHAPS, (UNKNOWN,))]),
        (False, [(STALE, (UNKNOWN,))]),
        (False, [(NOTHING, (SendAgain(),)), (NOTHING, (UNSENT,))]),
        (False, [(Answering(HEAD), (Relay(HEAD),)), (PERHAPS, (Cut(), UNKNOWN))]),
        (True, [(PERHAPS, (CUT_OFF,))]),
        (True, [(STALE, (SendAgain(),)), (STALE, (CUT_OFF,))]),
        (True, [(STALE, (SendAgain(),)), (Refused("x"), (CUT_OFF,))]),
        (False, [(NOTHING, (SendAgain(),)), (Refused("x"), (UNSENT,))]),
        (True, [(Answering(HEAD), (Relay(HEAD),)), (PERHAPS, (Cut(), CUT_OFF)), (Gone("x"), ())]),
        (True, [(Gone("x"), (HangUp(), CUT_OFF))]),
        (False, [(Answering(HEAD), (Relay(HEAD),)), (Gone("x"), (HangUp(), Cut(), UNKNOWN))]),
    ],
)
def test_an_attempt_answers_each_event_with_its_commands(repeatable: bool, story: list[tuple]) -> None:
    attempt = Attempt(repeatable=repeatable, attempts=1)
    for event, commands in story:
        assert attempt.handle(event) == commands


def test_backoff_doubles_up_to_its_cap_and_is_never_less_than_half() -> None:
    assert [backoff(n, 1.0) for n in range(4)] == [0.05, 0.1, 0.2, 0.4]
    assert backoff(1000, 1.0) == 5.0
    assert backoff(3, 0.0) == 0.2


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        (b"wait=5", 5.0),
        (b"respond-async, WAIT=7", 7.0),
        (b"respond-async; wait=7", 7.0),
        (b'wait="9"', 9.0),
        (b"wait=301", 300.0),
        (b"wait=99999999999999", None),
        (b"wait=-1", None),
        (b"wait=x", None),
        (b"wait", None),
    ],
)
def test_how_long_a_caller_prefers_to_wait(value: bytes | None, seconds: float | None) -> None:
    assert wait_preference(value) == seconds


@pytest.mark.parametrize(
    ("target", "parts"),
    [
        ("/agent/a/b/c?d=/e", ("agent", "a", "/b/c?d=/e")),
        ("/agent/a", ("agent", "a", "/")),
        ("/agent/a?x", ("agent", "a", "/?x")),
        ("/agent/a//b", ("agent", "a", "//b")),
        ("/requests/r/response", ("requests", "r", "/response")),
        ("/requests/r", ("requests", "r", "")),
        ("/", ("", "", "")),
    ],
)
def test_where_a_target_leads(target: str, parts: tuple[str, str, str]) -> None:
    assert split_target(target) == parts
