# SPDX-License-Identifier: Apache-2.0
"""Whatever happens in whatever order: one instance at most, none once stopped, running again when it can be."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from homeport.heal.restarts import History, decide
from homeport.model.agent import AgentState, Desired, Exit
from homeport.model.finding import ActionKind
from homeport.model.workload import HealthCheck, RestartPolicy
from homeport.run.lifecycle import Life, step
from homeport.run.signals import (
    Command,
    Event,
    Exited,
    GiveUp,
    Probed,
    ProbeInstance,
    Report,
    RestartIn,
    RestartWanted,
    Started,
    StartFailed,
    StartInstance,
    StopInstance,
    Tick,
    Wanted,
)
from homeport.watch.findings import agent_down


class World(RuleBasedStateMachine):
    """A runtime that may start, refuse, crash and answer late, driven by the commands of the machine under test."""

    def __init__(self) -> None:
        super().__init__()
        self.life = Life(health=HealthCheck(retries=2, start_period=5.0), stop_grace=1.0)
        self.history = History()
        self.now = 0.0
        self.alive: set[int] = set()
        self.asked: list[Command] = []

    def tell(self, event: Event) -> None:
        self.life, commands = step(self.life, event, self.now)
        for command in commands:
            if isinstance(command, Report):
                finding = agent_down("n", "a", command.cause, command.exit, 0)
                action, self.history = decide(finding, RestartPolicy(), self.history, command.healthy_s)
                restart = action.kind is ActionKind.RESTART
                self.tell(RestartIn(action.after_s) if restart else GiveUp(action.why))
            elif isinstance(command, StartInstance | StopInstance | ProbeInstance):
                self.asked.append(command)

    @rule(desired=st.sampled_from(Desired))
    def somebody_wants(self, desired: Desired) -> None:
        self.tell(Wanted(desired))

    @rule()
    def somebody_restarts(self) -> None:
        self.tell(RestartWanted())

    @rule(seconds=st.floats(0, 40))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds
        self.tell(Tick())

    @precondition(lambda self: self.asked)
    @rule(data=st.data(), outcome=st.sampled_from(["yes", "no", "away"]))
    def the_runtime_answers(self, data: st.DataObject, outcome: str) -> None:
        command = self.asked.pop(data.draw(st.integers(0, len(self.asked) - 1)))
        match command:
            case StartInstance(n) if outcome == "yes":
                if n == self.life.incarnation:  # the runtime knows ids: a forgotten one is not started again
                    self.alive.add(n)
                    self.tell(Started(n, f"unix:/{n}"))
            case StartInstance(n):
                self.tell(StartFailed(n, "no", retry=outcome == "away"))
            case StopInstance(n):
                self.alive.discard(n)
                self.tell(Exited(n, Exit(at_us=0, signal=15)))
            case ProbeInstance(n):
                self.tell(Probed(n, n in self.alive and outcome == "yes", outcome))

    @precondition(lambda self: self.alive)
    @rule(code=st.integers(0, 2))
    def it_crashes(self, code: int) -> None:
        n = self.alive.pop()
        self.tell(Exited(n, Exit(at_us=0, code=code)))

    @invariant()
    def at_most_one_instance(self) -> None:
        assert len(self.alive) <= 1

    @invariant()
    def running_means_that_an_instance_is_alive(self) -> None:
        if self.life.state is AgentState.RUNNING:
            assert self.alive == {self.life.incarnation}

    @invariant()
    def nothing_lives_once_it_is_stopped_or_given_up(self) -> None:
        if self.life.state in (AgentState.STOPPED, AgentState.CRASHED, AgentState.RESTARTING):
            assert not self.alive

    @invariant()
    def something_is_always_under_way_unless_it_rests(self) -> None:
        resting = (AgentState.CREATED, AgentState.STOPPED, AgentState.CRASHED)
        if self.life.state not in resting:
            assert self.asked or self.life.due is not None or self.life.probing

    def teardown(self) -> None:
        """In a world that answers, a wanted agent gets to run and an unwanted one to rest."""
        self.tell(Wanted(Desired.RUNNING))
        for _ in range(200):
            if self.life.state is AgentState.RUNNING:
                break
            if self.asked:
                self.the_good_runtime_answers()
            else:
                self.now += 60.0
                self.tell(Tick())
        assert self.life.state is AgentState.RUNNING

    def the_good_runtime_answers(self) -> None:
        match self.asked.pop(0):
            case StartInstance(n):
                if n == self.life.incarnation:
                    self.alive.add(n)
                    self.tell(Started(n, f"unix:/{n}"))
            case StopInstance(n):
                self.alive.discard(n)
                self.tell(Exited(n, Exit(at_us=0, signal=15)))
            case ProbeInstance(n):
                self.tell(Probed(n, n in self.alive, ""))


TestWorld = World.TestCase
TestWorld.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
