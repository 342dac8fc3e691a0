# SPDX-License-Identifier: Apache-2.0
"""The life of an agent: `step(life, event, now) → (life, commands)`, pure.

    created ─► starting ─► running ─► unhealthy
                  ▲  │         │         │ killed
                  │  └── exit ─┴─────────┘
              restarting ─── Report to heal: RestartIn, or GiveUp ─► crashed
                            stopping ─► stopped

Every restart has a reason that was observed: an exit status, a signal, an OOM count, a failed health check.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from homeport.model.agent import Agent, AgentState, Desired, Exit
from homeport.model.instance import InstanceState, InstanceStatus
from homeport.model.workload import HealthCheck
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

FIRST_PROBE_S = 0.02
SLOWEST_START_PROBE_S = 1.0
RETRY_RUNTIME_S = 0.5

_ALIVE = (AgentState.STARTING, AgentState.RUNNING, AgentState.UNHEALTHY, AgentState.STOPPING)


@dataclass(frozen=True, slots=True)
class Life:
    """What supervision remembers of one agent. Times are monotonic seconds; `due` is when a Tick is wanted next.

    `asking`: a start is under way; a stop has to wait for its answer, or it could overtake it.
    `detail` says why it is not running, for people; it is taken from what was observed.
    """

    health: HealthCheck
    stop_grace: float
    desired: Desired = Desired.STOPPED
    state: AgentState = AgentState.CREATED
    incarnation: int = 0
    endpoint: str = ""
    detail: str = ""
    restarts: int = 0
    last_exit: Exit | None = None
    started_at: float = 0.0
    ready_at: float | None = None
    probe_failures: int = 0
    probing: bool = False
    asking: bool = False
    due: float | None = None


Step = tuple[Life, tuple[Command, ...]]


def step(life: Life, event: Event, now: float) -> Step:
    """One event, at `now` monotonic seconds. Events of an older incarnation change nothing."""
    match event:
        case Wanted(desired):
            return _wanted(replace(life, desired=desired), now)
        case RestartWanted():
            return _restart_wanted(replace(life, desired=Desired.RUNNING), now)
        case Started(incarnation, endpoint) if incarnation == life.incarnation:
            return _started(life, endpoint, now)
        case StartFailed(incarnation, message, retry) if incarnation == life.incarnation:
            return _start_failed(life, message, retry, now)
        case StopFailed(incarnation) if incarnation == life.incarnation:
            return replace(life, due=now + RETRY_RUNTIME_S), ()
        case Exited(incarnation, exit_) if incarnation == life.incarnation and life.state in _ALIVE:
            return _exited(life, exit_, now)
        case RestartIn(delay) if life.state is AgentState.RESTARTING:
            return replace(life, due=now + delay), (Announce("agent.restarting", f"in {delay:g} s: {life.detail}"),)
        case GiveUp(why) if life.state is AgentState.RESTARTING:
            return replace(life, state=AgentState.CRASHED, due=None, detail=why), (Announce("agent.crashed", why),)
        case Probed(incarnation, ok, detail) if incarnation == life.incarnation:
            return _probed(replace(life, probing=False), ok, detail, now)
        case Tick() if life.due is not None and now >= life.due:
            return _due(life, now)
    return life, ()


def _launch(life: Life, now: float) -> Step:
    life = replace(
        life,
        state=AgentState.STARTING,
        incarnation=life.incarnation + 1,
        endpoint="",
        probe_failures=0,
        probing=False,
        started_at=now,
        ready_at=None,
        due=None,
    )
    return _ask(life)


def _ask(life: Life) -> Step:
    return replace(life, asking=True), (StartInstance(life.incarnation),)


def _wanted(life: Life, now: float) -> Step:
    if life.desired is Desired.RUNNING:
        if life.state in (AgentState.CREATED, AgentState.STOPPED, AgentState.CRASHED):
            return _launch(replace(life, detail=""), now)
        return life, ()
    if life.state in (AgentState.STARTING, AgentState.RUNNING):
        return _stopping(life)
    if life.state in (AgentState.STOPPING, AgentState.UNHEALTHY):
        return replace(life, state=AgentState.STOPPING), ()
    return replace(life, state=AgentState.STOPPED, due=None, detail=""), ()


def _restart_wanted(life: Life, now: float) -> Step:
    if life.state in (AgentState.STARTING, AgentState.RUNNING):
        return _stopping(life)
    if life.state in (AgentState.STOPPING, AgentState.UNHEALTHY):
        return replace(life, state=AgentState.STOPPING), ()
    return _launch(replace(life, detail=""), now)


def _stopping(life: Life) -> Step:
    """What happens once it is gone depends on what is desired then."""
    stopping = replace(life, state=AgentState.STOPPING, due=None)
    if life.asking:
        return stopping, ()
    return stopping, (StopInstance(life.incarnation, life.stop_grace),)


def _started(life: Life, endpoint: str, now: float) -> Step:
    life = replace(life, asking=False)
    if life.state is AgentState.STOPPING:  # asked to stop before the start was confirmed
        return replace(life, endpoint=endpoint), (StopInstance(life.incarnation, life.stop_grace),)
    if life.state is not AgentState.STARTING:
        return life, ()
    return replace(life, endpoint=endpoint, started_at=now, due=now + FIRST_PROBE_S), (
        Announce("agent.started", f"instance {life.incarnation} started"),
    )


def _start_failed(life: Life, message: str, retry: bool, now: float) -> Step:
    life = replace(life, asking=False)
    if life.state is AgentState.STOPPING:
        return (life, (StopInstance(life.incarnation, life.stop_grace),)) if retry else _ended(life, now)
    if retry:  # the runtime did not answer: the same incarnation again, which is idempotent, and nobody's fault
        return replace(life, due=now + RETRY_RUNTIME_S, detail=message), ()
    return _down(life, f"could not be started: {message}", None, now)


def _exited(life: Life, exit_: Exit, now: float) -> Step:
    life = replace(life, last_exit=exit_, endpoint="", asking=False)
    forget: tuple[Command, ...] = (ForgetInstance(life.incarnation),)
    if life.state is AgentState.STOPPING:
        life, commands = _ended(life, now)
        return life, forget + commands
    cause = life.detail if life.state is AgentState.UNHEALTHY else exit_.reason()
    life, commands = _down(life, cause, exit_, now)
    return life, (*forget, Announce("agent.exited", exit_.reason()), *commands)


def _ended(life: Life, now: float) -> Step:
    """An asked-for stop is complete."""
    if life.desired is Desired.RUNNING:
        life, commands = _launch(life, now)
        return replace(life, restarts=life.restarts + 1), commands
    stopped = replace(life, state=AgentState.STOPPED, endpoint="", due=None, detail="")
    return stopped, (Announce("agent.stopped", "stopped as asked"),)


def _down(life: Life, cause: str, exit_: Exit | None, now: float) -> Step:
    healthy_s = 0.0 if life.ready_at is None else now - life.ready_at
    life = replace(life, endpoint="", detail=cause, due=None)
    if life.desired is Desired.STOPPED:
        return replace(life, state=AgentState.STOPPED), (Announce("agent.stopped", cause),)
    return replace(life, state=AgentState.RESTARTING), (Report(cause, healthy_s, exit_),)


def _probed(life: Life, ok: bool, detail: str, now: float) -> Step:
    match life.state, ok:
        case AgentState.STARTING, True:
            ready = replace(
                life,
                state=AgentState.RUNNING,
                probe_failures=0,
                ready_at=now,
                due=now + life.health.interval,
                detail="",
            )
            return ready, (Announce("agent.ready", f"healthy after {now - life.started_at:.2f} s"),)
        case AgentState.STARTING, False:
            if now - life.started_at > life.health.start_period:
                cause = f"was not healthy within {life.health.start_period:g} s ({detail})"
                return _unhealthy(life, cause)
            pause = min(FIRST_PROBE_S * 1.5 ** (life.probe_failures + 1), SLOWEST_START_PROBE_S)
            return replace(life, probe_failures=life.probe_failures + 1, due=now + pause, detail=detail), ()
        case AgentState.RUNNING, True:
            return replace(life, probe_failures=0, due=now + life.health.interval), ()
        case AgentState.RUNNING, False:
            failures = life.probe_failures + 1
            if failures >= life.health.retries:
                return _unhealthy(life, f"failed {failures} health checks in a row ({detail})")
            return replace(life, probe_failures=failures, due=now + min(1.0, life.health.interval)), ()
    return life, ()


def _unhealthy(life: Life, cause: str) -> Step:
    ill = replace(life, state=AgentState.UNHEALTHY, detail=cause, due=None)
    return ill, (Announce("agent.unhealthy", cause), StopInstance(life.incarnation, life.stop_grace))


def _due(life: Life, now: float) -> Step:
    life = replace(life, due=None)
    if life.state is AgentState.RESTARTING:
        life, commands = _launch(life, now)
        return replace(life, restarts=life.restarts + 1), commands
    if life.state in (AgentState.STOPPING, AgentState.UNHEALTHY):
        return life, (StopInstance(life.incarnation, life.stop_grace),)
    if life.state is AgentState.STARTING and not life.endpoint:
        return _ask(life)
    if life.state in (AgentState.STARTING, AgentState.RUNNING) and not life.probing:
        return replace(life, probing=True), (ProbeInstance(life.incarnation, life.endpoint),)
    return life, ()


def resume(agent: Agent, status: InstanceStatus | None, now: float) -> Step:
    """The life of a recorded agent as a server that has just started finds it; `status` is what the runtime knows.

    A recorded instance that the runtime does not know was either never started (then it is, by its own id), or
    ended unseen: then its exit is `lost`, and nothing about it is made up.
    """
    life = Life(
        health=agent.workload.health,
        stop_grace=agent.workload.stop_grace,
        desired=agent.desired,
        state=agent.state,
        incarnation=agent.incarnation,
        endpoint=agent.endpoint,
        detail=agent.detail,
        restarts=agent.restarts,
        last_exit=agent.last_exit,
        started_at=now,
        ready_at=now if agent.state is AgentState.RUNNING else None,
    )
    if life.state is AgentState.RESTARTING:
        return replace(life, due=now), ()
    if life.state not in _ALIVE:
        return step(life, Wanted(life.desired), now)
    if status is None:
        if life.state is AgentState.STARTING and not life.endpoint:
            return _ask(life)
        return step(life, Exited(life.incarnation, Exit(at_us=agent.changed_at_us, lost=True)), now)
    if status.state is InstanceState.EXITED:
        return step(life, Exited(life.incarnation, status.exit or Exit(at_us=agent.changed_at_us, lost=True)), now)
    if life.state in (AgentState.STOPPING, AgentState.UNHEALTHY):
        return life, (StopInstance(life.incarnation, life.stop_grace),)
    life = replace(life, endpoint=status.endpoint, due=now)
    return step(life, Wanted(Desired.STOPPED), now) if life.desired is Desired.STOPPED else (life, ())
