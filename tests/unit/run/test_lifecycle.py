# SPDX-License-Identifier: Apache-2.0
"""What supervision does about one agent, event by event."""

from __future__ import annotations

from dataclasses import replace

from homeport.model.agent import Agent, AgentState, Desired, Exit
from homeport.model.instance import InstanceState, InstanceStatus
from homeport.model.source import Source, SourceKind
from homeport.model.workload import HealthCheck, Workload
from homeport.run.lifecycle import Life, resume, step
from homeport.run.signals import (
    Announce,
    Command,
    Event,
    Exited,
    ForgetInstance,
    GiveUp,
    Probed,
    ProbeInstance,
    Report,
    RestartIn,
    RestartWanted,
    Started,
    StartFailed,
    StartInstance,
    StopFailed,
    StopInstance,
    Tick,
    Wanted,
)

RUN, STOP = Wanted(Desired.RUNNING), Wanted(Desired.STOPPED)
KILLED = Exit(at_us=1, signal=9)
NEW = Life(health=HealthCheck(retries=2, start_period=5.0, interval=10.0), stop_grace=3.0)


def after(*events: Event, life: Life = NEW, now: float = 100.0) -> tuple[Life, tuple[Command, ...]]:
    commands: tuple[Command, ...] = ()
    for event in events:
        life, commands = step(life, event, now)
    return life, commands


def running() -> Life:
    life, _ = after(RUN, Started(1, "unix:/a"), Tick(), Probed(1, True, "200"))
    return life


def test_a_wanted_agent_is_started_then_probed_then_running() -> None:
    life, commands = after(RUN)
    assert commands == (StartInstance(1),) and life.state is AgentState.STARTING
    life, _ = step(life, Started(1, "unix:/a"), 100.0)
    life, commands = step(life, Tick(), 101.0)
    assert commands == (ProbeInstance(1, "unix:/a"),)
    life, commands = step(life, Probed(1, True, "200"), 101.5)
    assert life.state is AgentState.RUNNING
    assert commands == (Announce("agent.ready", "healthy after 1.50 s"),)


def test_wanting_what_is_so_changes_nothing() -> None:
    life = running()
    assert step(life, RUN, 100.0) == (life, ())


def test_an_exit_is_reported_with_the_cause_that_was_observed_and_restarted_as_heal_says() -> None:
    life, commands = after(Exited(1, KILLED), life=running(), now=130.0)
    assert ForgetInstance(1) in commands
    assert Report("killed by signal 9 (SIGKILL)", 30.0, KILLED) in commands
    assert life.state is AgentState.RESTARTING and life.endpoint == ""
    life, commands = step(life, RestartIn(0.5), 130.0)
    assert commands == (Announce("agent.restarting", "in 0.5 s: killed by signal 9 (SIGKILL)"),)
    assert step(life, Tick(), 130.4)[1] == ()
    life, commands = step(life, Tick(), 130.5)
    assert commands == (StartInstance(2),) and life.restarts == 1


def test_heal_may_give_up_and_a_person_may_start_it_again() -> None:
    life, _ = after(Exited(1, KILLED), GiveUp("crash loop"), life=running())
    assert life.state is AgentState.CRASHED and life.detail == "crash loop" and life.due is None
    life, commands = step(life, RUN, 200.0)
    assert commands == (StartInstance(2),)


def test_lost_health_stops_the_instance_and_names_the_failed_checks() -> None:
    life, _ = after(Probed(1, False, "503"), life=running())
    assert life.state is AgentState.RUNNING
    life, commands = step(life, Probed(1, False, "503"), 111.0)
    assert life.state is AgentState.UNHEALTHY and StopInstance(1, 3.0) in commands
    life, commands = step(life, Exited(1, Exit(at_us=1, signal=15)), 112.0)
    report = next(c for c in commands if isinstance(c, Report))
    assert report.cause == "failed 2 health checks in a row (503)"


def test_an_agent_that_never_gets_healthy_is_stopped_after_its_start_period() -> None:
    life, _ = after(RUN, Started(1, "unix:/a"))
    life, commands = step(life, Probed(1, False, "refused"), 104.9)
    assert commands == () and life.due is not None
    life, commands = step(life, Probed(1, False, "refused"), 105.1)
    assert StopInstance(1, 3.0) in commands and "was not healthy within 5 s (refused)" in life.detail


def test_stopping_is_complete_only_when_the_instance_is_gone() -> None:
    life, commands = after(STOP, life=running())
    assert commands == (StopInstance(1, 3.0),) and life.state is AgentState.STOPPING
    life, commands = step(life, Exited(1, Exit(at_us=1, signal=15)), 101.0)
    assert life.state is AgentState.STOPPED and not any(isinstance(c, Report) for c in commands)


def test_a_stop_before_the_start_was_confirmed_still_stops_it() -> None:
    life, commands = after(RUN, STOP)
    assert commands == (), "a stop must not overtake the start that is under way"
    life, commands = step(life, Started(1, "unix:/a"), 100.1)
    assert commands == (StopInstance(1, 3.0),)


def test_a_restart_on_request_costs_nothing_and_asks_nobody() -> None:
    life, commands = after(RestartWanted(), life=running())
    assert commands == (StopInstance(1, 3.0),)
    life, commands = step(life, Exited(1, Exit(at_us=1, signal=15)), 101.0)
    assert StartInstance(2) in commands and not any(isinstance(c, Report) for c in commands)


def test_a_runtime_that_is_away_is_asked_again_for_the_same_instance() -> None:
    life, commands = after(RUN, StartFailed(1, "keeper away", retry=True))
    assert commands == () and life.due == 100.5
    assert step(life, Tick(), 100.5)[1] == (StartInstance(1),)
    stopping, _ = after(STOP, StopFailed(1), life=running())
    assert step(stopping, Tick(), 100.5)[1] == (StopInstance(1, 3.0),)


def test_a_program_that_cannot_be_executed_is_a_failure_like_an_exit() -> None:
    _, commands = after(RUN, StartFailed(1, "no such file", retry=False))
    assert commands == (Report("could not be started: no such file", 0.0, None),)


def test_news_of_an_older_incarnation_changes_nothing() -> None:
    life, _ = after(Exited(1, KILLED), RestartIn(0), Tick(), life=running())
    assert life.incarnation == 2
    for stale in (Exited(1, KILLED), Started(1, "unix:/old"), Probed(1, True, ""), StartFailed(1, "", False)):
        assert step(life, stale, 300.0) == (life, ())


# ── a server that has just started ───────────────────────────────────────────────────────────────────────────────
def recorded(state: AgentState, desired: Desired = Desired.RUNNING, endpoint: str = "unix:/a") -> Agent:
    workload = Workload(start=("x",), code="/c", port=1)
    source = Source(SourceKind.FOLDER, "/s", "d")
    return Agent("agt_1", "default", "a", desired, state, workload, source, "m", incarnation=4, endpoint=endpoint)


def status(exit_: Exit | None = None) -> InstanceStatus:
    state = InstanceState.EXITED if exit_ else InstanceState.RUNNING
    return InstanceStatus("agt_1-4", "agt_1", state, endpoint="" if exit_ else "unix:/b", exit=exit_)


def test_a_running_instance_is_adopted_and_probed_at_once() -> None:
    life, commands = resume(recorded(AgentState.RUNNING), status(), 50.0)
    assert commands == () and (life.state, life.endpoint, life.due) == (AgentState.RUNNING, "unix:/b", 50.0)


def test_an_exit_while_no_server_ran_is_handled_with_its_true_cause() -> None:
    life, commands = resume(recorded(AgentState.RUNNING), status(KILLED), 50.0)
    assert life.last_exit == KILLED
    assert any(isinstance(c, Report) and c.exit == KILLED for c in commands)


def test_an_instance_nobody_knows_any_more_ended_unseen_and_no_cause_is_made_up() -> None:
    life, commands = resume(recorded(AgentState.RUNNING), None, 50.0)
    assert life.last_exit is not None and life.last_exit.lost
    assert "not observed" in next(c.cause for c in commands if isinstance(c, Report))


def test_a_start_that_may_not_have_happened_is_repeated_by_its_own_id() -> None:
    _, commands = resume(recorded(AgentState.STARTING, endpoint=""), None, 50.0)
    assert commands == (StartInstance(4),)


def test_an_interrupted_stop_goes_on() -> None:
    _, commands = resume(recorded(AgentState.STOPPING, Desired.STOPPED), status(), 50.0)
    assert commands == (StopInstance(4, 10.0),)


def test_stopped_and_crashed_agents_are_left_as_they_are_unless_wanted() -> None:
    stopped = recorded(AgentState.STOPPED, Desired.STOPPED)
    assert resume(stopped, None, 50.0)[1] == ()
    assert resume(replace(stopped, desired=Desired.RUNNING), None, 50.0)[1] == (StartInstance(5),)
