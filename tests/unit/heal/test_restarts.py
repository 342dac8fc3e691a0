# SPDX-License-Identifier: Apache-2.0
"""Backoff, and an end to restarting what only crashes."""

from __future__ import annotations

from homeport.heal.restarts import History, decide
from homeport.model.agent import Exit
from homeport.model.finding import ActionKind
from homeport.model.workload import RestartPolicy
from homeport.watch.findings import agent_down

FINDING = agent_down("default", "a", "exited with status 1", Exit(at_us=5, code=1), 5)
POLICY = RestartPolicy(max_restarts=3, window=60.0, delay=0.1, max_delay=0.3)


def test_the_pause_doubles_up_to_its_limit_and_then_restarts_end() -> None:
    history, seen = History(), []
    for _ in range(4):
        action, history = decide(FINDING, POLICY, history, 0.0)
        seen.append((action.kind, action.after_s))
    assert seen == [
        (ActionKind.RESTART, 0.1),
        (ActionKind.RESTART, 0.2),
        (ActionKind.RESTART, 0.3),
        (ActionKind.QUARANTINE, 0.0),
    ]
    assert "4 failures" in action.why and "exited with status 1" in action.why


def test_a_healthy_stretch_of_the_window_forgives_what_was_before() -> None:
    action, history = decide(FINDING, POLICY, History(3), 60.0)
    assert action.kind is ActionKind.RESTART and history == History(1)


def test_nothing_is_restarted_where_restarts_are_off() -> None:
    action, _ = decide(FINDING, RestartPolicy(enabled=False), History(), 0.0)
    assert action.kind is ActionKind.QUARANTINE


def test_an_exit_that_nobody_saw_has_no_cause() -> None:
    assert agent_down("default", "a", "x", Exit(at_us=5, lost=True), 5).cause == "undetermined"
