# SPDX-License-Identifier: Apache-2.0
"""What every Runtime does. Two fixtures: `runtime`, and `programs`, which gives the workload of a kind of program.

Kinds: `serve` (HTTP 200 `healthy` on its port), `exit N`, `signal N` (to itself), `oom` (more memory than its limit),
`print WORD…` (a line each, then serves), `deaf` (ignores SIGTERM), `missing` (cannot be executed). A runtime that
runs real programs also passes `RealProgramsSuite`, whose further kinds are `environment` (prints its environment as
JSON), `data` (adds a line to `$HOMEPORT_DATA/kept` and prints how many there are), `dial HOST PORT` (exit 0 if it can
connect, 1 if not), `flood N` (prints N numbered lines), `ignore-and-fork` (leaves a daemon behind, exits 0).
"""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any, cast

import pytest

from homeport.errors import HomeportError, NotFound
from homeport.interfaces.runtime import Runtime
from homeport.model.agent import Exit
from homeport.model.instance import InstanceEvent, InstanceSpec, InstanceState, InstanceStatus, LogLine
from homeport.model.workload import Workload
from homeport.sockets import dial

Programs = Callable[..., Workload]
_numbers = itertools.count(1)
PATIENCE = 30.0


async def exit_of(runtime: Runtime, instance: str, after: int = 0) -> InstanceStatus:
    """Wait until an instance has ended."""
    async with asyncio.timeout(PATIENCE), aclosing(cast(Any, runtime.events(after))) as events:
        async for event in events:
            if event.status.instance == instance and event.status.state is InstanceState.EXITED:
                return cast(InstanceStatus, event.status)
    raise AssertionError("the events ended")


async def take(lines: AsyncIterator[Any], count: int) -> list[Any]:
    found = []
    async with asyncio.timeout(PATIENCE), aclosing(cast(Any, lines)) as source:
        async for line in source:
            found.append(line)
            if len(found) == count:
                return found
    return found


async def printed(runtime: Runtime, agent_id: str, stream: str = "out") -> list[str]:
    return [line.text async for line in runtime.logs(agent_id) if line.stream == stream]


async def heard(runtime: Runtime, agent_id: str, count: int) -> list[str]:
    """The first lines a running program printed, waited for."""

    async def out() -> AsyncIterator[LogLine]:
        async with aclosing(cast(Any, runtime.logs(agent_id, follow=True))) as lines:
            async for line in lines:
                if line.stream == "out":
                    yield line

    return [line.text for line in await take(out(), count)]


async def get(endpoint: str, path: str = "/health") -> bytes:
    """One request; b"" when the connection is refused or closed without an answer."""
    try:
        reader, writer = await asyncio.open_connection(sock=await dial(endpoint))
    except ConnectionError:
        return b""
    try:
        writer.write(f"GET {path} HTTP/1.1\r\nhost: agent\r\nconnection: close\r\n\r\n".encode())
        return await reader.read()
    except ConnectionError:
        return b""
    finally:
        writer.close()


async def healthy(endpoint: str) -> bytes:
    """The first answer, waited for."""
    async with asyncio.timeout(PATIENCE):
        while True:
            if answer := await get(endpoint):
                return answer
            await asyncio.sleep(0.02)


class RuntimeSuite:
    @pytest.fixture
    def spec(self, tmp_path: Path, programs: Programs) -> Callable[..., InstanceSpec]:
        def make(kind: str, *words: str, agent_id: str = "agt_1", job: bool = False, **changes: Any) -> InstanceSpec:
            data = tmp_path / "data" / agent_id
            data.mkdir(parents=True, exist_ok=True)
            return InstanceSpec(
                instance=f"ins_{next(_numbers)}",
                agent_id=agent_id,
                namespace="default",
                name="demo",
                workload=programs(kind, *words, **changes),
                data=str(data),
                env={"GREETING": "hello world"},
                job=job,
            )

        return make

    async def test_a_started_agent_answers_http_at_its_endpoint(self, runtime: Runtime, spec: Any) -> None:
        status = await runtime.start(spec("serve"))
        assert status.state is InstanceState.RUNNING
        assert status.pid > 0
        assert status.started_at_us > 0
        answer = await healthy(status.endpoint)
        assert answer.startswith((b"HTTP/1.1 200", b"HTTP/1.0 200"))
        assert answer.endswith(b"healthy")

    async def test_starting_the_same_instance_again_starts_nothing(self, runtime: Runtime, spec: Any) -> None:
        wanted = spec("serve")
        first, second = await asyncio.gather(runtime.start(wanted), runtime.start(wanted))
        assert first.pid == second.pid
        assert await runtime.start(wanted) == first
        assert await runtime.list() == [first]

    @pytest.mark.parametrize("code", [0, 1, 3, 137, 255])
    async def test_the_exit_status_is_the_programs_own(self, runtime: Runtime, spec: Any, code: int) -> None:
        started = await runtime.start(spec("exit", str(code)))
        ended = await exit_of(runtime, started.instance)
        assert ended.exit is not None
        assert (ended.exit.code, ended.exit.signal, ended.exit.oom, ended.exit.lost) == (code, None, False, False)
        assert ended.endpoint == ""

    @pytest.mark.parametrize("number", [9, 11, 15])
    async def test_a_signal_is_told_as_a_signal(self, runtime: Runtime, spec: Any, number: int) -> None:
        started = await runtime.start(spec("signal", str(number)))
        ended = await exit_of(runtime, started.instance)
        assert ended.exit is not None
        assert (ended.exit.code, ended.exit.signal, ended.exit.oom) == (None, number, False)

    async def test_oom_is_told_when_the_kernel_counted_one(self, runtime: Runtime, spec: Any) -> None:
        confinement = await runtime.confinement()
        if any(word.startswith("memory limit") for word in confinement.missing):
            pytest.skip("no cgroup may be written here, so that no OOM is counted")
        started = await runtime.start(spec("oom"))
        ended = await exit_of(runtime, started.instance)
        assert ended.exit is not None
        assert (ended.exit.signal, ended.exit.oom) == (9, True)

    async def test_stop_is_a_sigterm_and_returns_when_it_is_gone(self, runtime: Runtime, spec: Any) -> None:
        started = await runtime.start(spec("serve"))
        await healthy(started.endpoint)
        ended = await runtime.stop(started.instance, grace=20)
        assert ended.state is InstanceState.EXITED
        assert ended.exit is not None
        assert ended.exit.signal == 15
        assert ended.endpoint == ""
        assert await runtime.stop(started.instance, grace=0) == ended

    async def test_what_ignores_sigterm_is_killed_after_the_grace(self, runtime: Runtime, spec: Any) -> None:
        started = await runtime.start(spec("deaf"))
        await healthy(started.endpoint)
        ended = await runtime.stop(started.instance, grace=0.2)
        assert ended.exit is not None
        assert ended.exit.signal == 9

    async def test_stop_without_grace_kills_at_once(self, runtime: Runtime, spec: Any) -> None:
        started = await runtime.start(spec("serve"))
        ended = await runtime.stop(started.instance, grace=0)
        assert ended.exit is not None
        assert ended.exit.signal == 9

    async def test_stopping_what_never_was_is_not_found(self, runtime: Runtime) -> None:
        with pytest.raises(NotFound):
            await runtime.stop("ins_unknown", grace=0)

    async def test_what_cannot_be_executed_is_an_error_and_leaves_nothing(self, runtime: Runtime, spec: Any) -> None:
        with pytest.raises(HomeportError, match="cannot start demo"):
            await runtime.start(spec("missing"))
        assert await runtime.list() == []

    async def test_an_exit_is_listed_and_told_until_it_is_forgotten(self, runtime: Runtime, spec: Any) -> None:
        started = await runtime.start(spec("exit", "7"))
        ended = await exit_of(runtime, started.instance)
        assert await runtime.list() == [ended]
        assert (await exit_of(runtime, started.instance)) == ended
        await runtime.forget(started.instance)
        await runtime.forget(started.instance)
        assert await runtime.list() == []

    async def test_events_are_numbered_and_resume_after_the_last_seen(self, runtime: Runtime, spec: Any) -> None:
        first = await runtime.start(spec("exit", "0"))
        seen: list[InstanceEvent] = await take(runtime.events(), 2)
        assert [event.status.state for event in seen] == [InstanceState.RUNNING, InstanceState.EXITED]
        assert seen[1].seq > seen[0].seq
        assert seen[1].status.instance == first.instance
        waiting = asyncio.create_task(take(runtime.events(seen[1].seq), 1))
        second = await runtime.start(spec("serve"))
        (event,) = await waiting
        assert event.seq == seen[1].seq + 1
        assert event.status.instance == second.instance

    async def test_logs_hold_what_was_printed_in_order_with_times(self, runtime: Runtime, spec: Any) -> None:
        before = time.time_ns() // 1000
        started = await runtime.start(spec("print", "one", "two words", "ünï ☃"))
        await heard(runtime, "agt_1", 3)
        lines: list[LogLine] = [line async for line in runtime.logs("agt_1") if line.stream == "out"]
        assert [line.text for line in lines] == ["one", "two words", "ünï ☃"]
        assert {line.instance for line in lines} == {started.instance}
        assert before <= lines[0].at_us <= lines[2].at_us <= time.time_ns() // 1000
        everything = [line async for line in runtime.logs("agt_1")]
        assert [line async for line in runtime.logs("agt_1", tail=2)] == everything[-2:]
        assert [line async for line in runtime.logs("agt_1", since_us=time.time_ns() // 1000 + 1)] == []

    async def test_logs_can_be_followed_from_before_there_are_any(self, runtime: Runtime, spec: Any) -> None:
        following = asyncio.create_task(take(runtime.logs("agt_1", follow=True), 2))
        await asyncio.sleep(0)
        await runtime.start(spec("print", "late"))
        assert (await following)[-1].text == "late"

    async def test_one_that_is_forgotten_twice_at_once_leaves_its_log_once(self, runtime: Runtime, spec: Any) -> None:
        started = await runtime.start(spec("print", "only"))
        await take(runtime.logs("agt_1", follow=True), 2)
        await runtime.stop(started.instance, grace=0)
        await asyncio.gather(*(runtime.forget(started.instance) for _ in range(4)))
        assert await runtime.list() == []
        assert [line.text async for line in runtime.logs("agt_1")].count("only") == 1

    async def test_removed_logs_are_gone_and_removing_them_again_is_no_error(self, runtime: Runtime, spec: Any) -> None:
        started = await runtime.start(spec("exit", "0"))
        await exit_of(runtime, started.instance)
        await runtime.forget(started.instance)
        await runtime.remove_logs("agt_1")
        await runtime.remove_logs("agt_1")
        assert [line async for line in runtime.logs("agt_1")] == []

    async def test_a_job_has_no_endpoint(self, runtime: Runtime, spec: Any) -> None:
        started = await runtime.start(spec("exit", "0", job=True))
        assert started.endpoint == ""
        ended = await exit_of(runtime, started.instance)
        assert ended.exit == Exit(at_us=ended.exit.at_us if ended.exit else 0, code=0)


class RealProgramsSuite(RuntimeSuite):
    async def test_a_program_sees_its_own_environment_and_nothing_of_ours(
        self, runtime: Runtime, spec: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        started = await runtime.start(spec("environment"))
        await exit_of(runtime, started.instance)
        (text,) = await printed(runtime, "agt_1")
        seen = json.loads(text)
        assert seen["GREETING"] == "hello world"
        assert int(seen["PORT"]) > 0
        assert seen["HOMEPORT_DATA"]
        assert not [name for name in seen if name.startswith("HOMEPORT_") and name != "HOMEPORT_DATA"]

    async def test_data_is_kept_from_one_instance_to_the_next(self, runtime: Runtime, spec: Any) -> None:
        for _ in range(3):
            started = await runtime.start(spec("data"))
            await exit_of(runtime, started.instance)
        assert await printed(runtime, "agt_1") == ["1", "2", "3"]

    async def test_names_in_the_start_command_come_from_the_environment(self, runtime: Runtime, spec: Any) -> None:
        started = await runtime.start(spec("print", "$GREETING", "${GREETING}!", "$UNKNOWN", "a$GREETING;true"))
        assert started.exit is None
        expected = ["hello world", "hello world!", "$UNKNOWN", "ahello world;true"]
        assert await heard(runtime, "agt_1", 4) == expected

    @pytest.fixture
    async def outside(self) -> AsyncIterator[tuple[str, int]]:
        """Where a program with network gets a connection. A runtime with a network of its own says where that is."""
        server = await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", 0)
        yield server.sockets[0].getsockname()[:2]
        server.close()

    async def test_without_network_nothing_outside_can_be_reached(
        self, runtime: Runtime, spec: Any, outside: tuple[str, int]
    ) -> None:
        if (await runtime.confinement()).level not in ("sandbox", "container"):
            pytest.skip("no sandbox here: agents share the network of the host")
        host, port = outside
        for network, code in ((False, 1), (True, 0)):
            started = await runtime.start(spec("dial", host, str(port), job=True, network=network))
            ended = await exit_of(runtime, started.instance)
            assert ended.exit is not None
            assert ended.exit.code == code

    async def test_a_flood_of_lines_is_rotated_and_followed_over_rotations(self, runtime: Runtime, spec: Any) -> None:
        started = await runtime.start(spec("flood", "4000", log_bytes=200_000))
        await exit_of(runtime, started.instance)
        numbers = [int(text.split()[0]) for text in await printed(runtime, "agt_1")]
        assert numbers == list(range(numbers[0], 4000))

    async def test_nothing_a_program_left_running_outlives_it(self, runtime: Runtime, spec: Any) -> None:
        started = await runtime.start(spec("ignore-and-fork"))
        ended = await exit_of(runtime, started.instance)
        assert ended.exit is not None
        assert ended.exit.code == 0
        (marker,) = await printed(runtime, "agt_1")
        assert not [path for path in Path("/proc").glob("[0-9]*/cmdline") if marker.encode() in _read(path)]


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""
