# SPDX-License-Identifier: Apache-2.0
"""All instances: what may be asked of them, and what is kept of them on disk."""

from __future__ import annotations

import re
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from homeport.drivers.runtimes.process.cgroup import Group
from homeport.drivers.runtimes.process.sockets import listen_unix
from homeport.drivers.runtimes.process.walls import Launch, Walls
from homeport.errors import HomeportError, NotFound, StorageFull, Unavailable, UsageError
from homeport.serve.keeper.instance import Instance, group_for, program_limits
from homeport.serve.keeper.logs import AgentLog
from homeport.serve.keeper.loop import Loop
from homeport.serve.keeper.state import Record, State, events_of, shown
from homeport.serve.keeper.trees import remove_tree

Reply = Callable[[Any], None]
"""Called with the result, or with the error."""
_SAFE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


class Instances:
    def __init__(self, loop: Loop, state: State, walls: Walls, *, own: Path, scratch: Path, logs: Path) -> None:
        self.loop, self.state, self.walls = loop, state, walls
        self.own, self.scratch, self.logs = own, scratch, logs
        self.live: dict[str, Instance] = {}
        self.stopping = False
        self._waiting: dict[str, list[Reply]] = {}
        self._agent_logs: dict[str, AgentLog] = {}
        self._after_save: list[Callable[[], object]] = []
        self._untold: set[int] = set()
        self.subscribers: set[Callable[[dict[str, Any]], None]] = set()

    def start(self, spec: dict[str, Any], reply: Reply) -> None:
        instance = _safe(spec["instance"], "instance id")
        if (known := self.state.instances.get(instance)) and known["state"] != "starting":
            reply(shown(known))
            return
        self._waiting.setdefault(instance, []).append(reply)
        if known:
            return
        try:
            if self.stopping:
                raise Unavailable("the server is shutting down", operation="start", subject=instance)
            if self.state.unsaved:
                raise StorageFull(
                    "the state folder cannot be written", subject=str(self.state.path), hint="make room on its disk"
                )
            self._launch(instance, spec)
        except HomeportError as error:
            self._answer(instance, error)

    def _launch(self, instance: str, spec: dict[str, Any]) -> None:
        workload, agent_id = spec["workload"], _safe(spec["agent_id"], "agent id")
        if self.walls.refused:
            raise Unavailable(
                f"no agent can be started here: {self.walls.problem}", operation="start", subject=spec["name"],
                hint="run Homeport as an ordinary user, or install bubblewrap",
            )  # fmt: skip
        for folder in (workload["code"], spec["data"]):
            if not Path(folder).is_dir():
                raise HomeportError(f"{folder} is not a folder", operation="start", subject=spec["name"])
        path = self.own / "sockets" / f"{instance}.sock"
        record: Record = {
            "instance": instance,
            "agent_id": agent_id,
            "namespace": spec["namespace"],
            "name": spec["name"],
            "state": "starting",
            "address": "",
            "endpoint": "",
            "pid": 0,
            "started_at_us": 0,
            "exit": None,
            "seq_started": 0,
            "seq_exited": 0,
            "stop_grace": float(workload["stop_grace"]),
            "proc": [0, 0],
            "group": {},
            "scratch": "",
        }
        what = Launch(
            instance=instance, agent_id=agent_id, name=spec["name"], argv=list(workload["start"]), env=spec["env"],
            code=workload["code"], data=spec["data"], own=self.own, job=spec["job"], network=workload["network"],
            limits=program_limits(self.walls, workload["limits"]),
        )  # fmt: skip
        listener: socket.socket | None = None
        try:
            what.group = group_for(self.walls, instance, workload["limits"])
            record["group"] = what.group.folders if what.group else {}
            if what.job:
                what.scratch = record["scratch"] = str(self.scratch / instance)
                Path(what.scratch).mkdir(mode=0o700, parents=True, exist_ok=True)
            else:
                shared = what.network or not self.walls.bwrap
                what.port = int(workload["port"])
                if shared:
                    what.port, what.reserved = reserve_port(what.port)
                listener = listen_unix(path)
                what.listener = listener.fileno()
                record["address"] = f"unix:{path}"
            log = self._log(agent_id, int(workload["limits"]["log_bytes"]))
            started = Instance(
                record, what, loop=self.loop, walls=self.walls, log=log,
                on_started=self._started, on_gone=self._gone,
            )  # fmt: skip
            started.start()
        except (OSError, ValueError, StopIteration, HomeportError) as error:
            clean(record)
            what.free_port()
            raise HomeportError(f"cannot start {spec['name']}: {error}", operation="start", subject=instance) from None
        finally:
            if listener is not None:
                listener.close()
        self.live[instance] = started
        self.state.instances[instance] = record

    def _started(self, instance: Instance, error: str) -> None:
        record = instance.record
        name = record["instance"]
        if not error:
            record["seq_started"] = self.state.next_seq()
            self._changed(record)
            self._commit(lambda: self._answer(name, shown(record)))
            return
        del self.live[name], self.state.instances[name]
        clean(record)
        hint = "" if self.walls.bwrap else self.walls.problem
        failure = HomeportError(
            f"cannot start {record['name']}: {error}", operation="start", subject=record["name"], hint=hint
        )
        self._commit(lambda: self._answer(name, failure, instance.stoppers))

    def _gone(self, instance: Instance) -> None:
        record = instance.record
        clean(record)
        record |= {"state": "exited", "endpoint": "", "seq_exited": self.state.next_seq()}
        del self.live[record["instance"]]
        self._changed(record)
        self._commit(lambda: self._answer(record["instance"], shown(record), instance.stoppers))

    def stop(self, name: str, grace: float, reply: Reply) -> None:
        record = self.state.instances.get(name)
        if record is None:
            reply(NotFound(f"no instance {name}", operation="stop", subject=name))
        elif name in self.live:
            never = NotFound(f"{name} was stopped before it had started", operation="stop", subject=name)
            self.live[name].stoppers.append(lambda: reply(shown(record) if record["seq_exited"] else never))
            self.live[name].stop(max(0.0, grace))
        else:
            reply(shown(record))

    def forget(self, name: str, reply: Reply) -> None:
        if name in self.live:
            reply(UsageError(f"{name} is still running", operation="forget", subject=name, hint="stop it first"))
            return
        record = self.state.instances.pop(name, None)
        if record is not None and not self._of_agent(record["agent_id"]):
            log = self._agent_logs.pop(record["agent_id"], None)
            if log is not None:
                log.close()
        self._commit(lambda: reply({}))

    def stop_all(self, then: Callable[[], None], *, now: bool = False) -> None:
        """End every instance, each with its own grace, and call `then` when none is left."""
        self.stopping = True
        for instance in list(self.live.values()):
            instance.stop(0.0 if now else instance.record["stop_grace"])
        self._when_empty(then)

    def _when_empty(self, then: Callable[[], None]) -> None:
        if self.live:
            self.loop.after(0.01, lambda: self._when_empty(then))
        else:
            then()

    def all(self) -> list[dict[str, Any]]:
        return [shown(record) for record in self.state.instances.values() if record["state"] != "starting"]

    def told_events(self, after: int) -> list[dict[str, Any]]:
        """Those already saved and told; the others reach subscribers in a moment."""
        return [event for event in self.state.events(after) if event["seq"] not in self._untold]

    def _changed(self, record: Record) -> None:
        event = events_of(record)[-1]
        self._untold.add(event["seq"])
        self._commit(lambda: self._tell(event))

    def _tell(self, event: dict[str, Any]) -> None:
        self._untold.discard(event["seq"])
        for tell in list(self.subscribers):
            tell(event)

    def _commit(self, then: Callable[[], object]) -> None:
        """Save once for all that changed in this turn, then tell: what was told is never lost."""
        if not self._after_save:
            self.loop.soon(self._save)
        self._after_save.append(then)

    def _save(self) -> None:
        try:
            self.state.save()
        except OSError as error:
            # Instances must not suffer from a full disk; new ones are refused until this works again.
            print(f"keeper: cannot write {self.state.path}: {error}", file=sys.stderr, flush=True)
            self.loop.after(1.0, self._save)
        waiting, self._after_save = self._after_save, []
        for call in waiting:
            call()

    def _answer(self, name: str, result: Any, more: list[Callable[[], None]] | None = None) -> None:
        for reply in self._waiting.pop(name, []):
            reply(result)
        for call in more or []:
            call()

    def _of_agent(self, agent_id: str) -> bool:
        return any(record["agent_id"] == agent_id for record in self.state.instances.values())

    def _log(self, agent_id: str, limit: int) -> AgentLog:
        if agent_id not in self._agent_logs:
            self._agent_logs[agent_id] = AgentLog(self.logs / agent_id, limit)
        return self._agent_logs[agent_id]


def clean(record: Record) -> None:
    """Take away what an instance had on this machine besides its logs and data. Repeatable."""
    if record["address"]:
        Path(record["address"].removeprefix("unix:")).unlink(missing_ok=True)
    if record["group"]:
        Group(record["group"]).remove()
    if record["scratch"]:
        remove_tree(record["scratch"])


def reserve_port(wanted: int) -> tuple[int, socket.socket]:
    """`wanted` if it is free on loopback, else another: only for programs that share the host's network.

    Between this look and the moment the program listens, another agent must not be given the same port: its callers
    would reach the wrong program. The socket returned holds the port's name in the abstract namespace, which all
    keepers on this network see; close it when the program has ended.
    """
    for port in (wanted, *[0] * 16):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            found = int(probe.getsockname()[1])
            holder = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            try:
                holder.bind(f"\0homeport-port-{found}")
            except OSError:
                holder.close()
                continue
            return found, holder
    raise HomeportError("no free port on loopback", operation="start")


def _safe(text: object, what: str) -> str:
    """It becomes a file name: anything else than a plain word is refused."""
    if not isinstance(text, str) or not _SAFE.fullmatch(text):
        raise UsageError(f"{text!r} is not a valid {what}", operation="start")
    return text
