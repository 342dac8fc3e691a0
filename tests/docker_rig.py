# SPDX-License-Identifier: Apache-2.0
"""A runtime on a real engine, ended with all it made; and a machine beyond that engine's."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from homeport.drivers.runtimes.docker.runtime import DockerRuntime, Options
from homeport.model.instance import InstanceSpec
from homeport.model.workload import Workload
from homeport.testing.servers.engine import Engine
from homeport.testing.servers.namespaces import inside

_BLOCK = 4 * (os.getpid() % 64)
HERE, FAR = f"198.51.100.{_BLOCK + 1}", f"198.51.100.{_BLOCK + 2}"
"""The engine's machine as the far one sees it, and that one: their own for each worker of a run."""
_LINK = f"hpfar{os.getpid() % 100_000}"


@asynccontextmanager
async def runtime_on(engine: Engine, folder: Path, **options: Any) -> AsyncIterator[DockerRuntime]:
    runtime = DockerRuntime(Options(folder / "docker", folder / "logs", folder, host=engine.host, **options))
    try:
        yield runtime
        await clear(runtime)
    finally:
        await runtime.close()


async def clear(runtime: DockerRuntime) -> None:
    for status in await runtime.list():
        await runtime.stop(status.instance, grace=0)
        await runtime.forget(status.instance)


def spec_for(folder: Path, workload: Workload, instance: str = "agt_1-1", **changes: Any) -> InstanceSpec:
    agent_id = instance.rpartition("-")[0] or instance
    data = folder / "data" / agent_id
    data.mkdir(parents=True, exist_ok=True)
    return InstanceSpec(instance, agent_id, "default", "demo", workload, str(data), **changes)


@contextmanager
def far_listener(engine: Engine) -> Iterator[tuple[str, int]]:
    """Host and port of a listener that is reached through the engine's machine, and is not on it."""
    holder = subprocess.Popen(["unshare", "--net", "sleep", "600"])
    linked = False
    try:
        there = f"/proc/{holder.pid}/ns/net"
        while Path(there).samefile("/proc/self/ns/net"):  # until it has left ours
            continue
        with engine.inside():
            _ip("link", "add", f"{_LINK}a", "type", "veth", "peer", "name", f"{_LINK}b", "netns", str(holder.pid))
            linked = True
            _ip("address", "add", f"{HERE}/30", "dev", f"{_LINK}a")
            _ip("link", "set", f"{_LINK}a", "up")
        with inside(there):
            _ip("address", "add", f"{FAR}/30", "dev", f"{_LINK}b")
            _ip("link", "set", f"{_LINK}b", "up")
            listener = socket.create_server((FAR, 0), backlog=64)
        with listener:
            yield FAR, listener.getsockname()[1]
    finally:
        if linked:
            with engine.inside():
                _ip("link", "delete", f"{_LINK}a")
        holder.kill()
        holder.wait()


def _ip(*words: str) -> None:
    subprocess.run([shutil.which("ip") or "ip", *words], check=True, capture_output=True)
