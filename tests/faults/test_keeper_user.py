# SPDX-License-Identifier: Apache-2.0
"""The keeper of an ordinary user: a sandbox, but no cgroups to fall back on."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from homeport.drivers.runtimes.process.client import Options, ProcessRuntime
from homeport.model.instance import InstanceSpec
from homeport.testing.conformance.runtime import healthy, heard
from homeport.testing.keepers import RunningKeeper
from homeport.testing.programs import program


def spec_of(tmp_path: Path, agent_id: str) -> InstanceSpec:
    data = tmp_path / "data" / agent_id
    data.mkdir(parents=True)
    os.chown(data, 65534, 65534)
    return InstanceSpec(f"ins_{agent_id}", agent_id, "default", "demo", program(tmp_path / "code", "serve"), str(data))


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user to try how it is for one")
async def test_an_ordinary_user_gets_the_sandbox_too(tmp_path):
    """And is told which limits its agents do not have."""
    for folder in [tmp_path, *tmp_path.parents][:-2]:
        if folder.stat().st_uid == 0 and folder.stat().st_mode & 0o005 != 0o005:
            folder.chmod(0o755)
    home = tmp_path / "home"
    home.mkdir()
    os.chown(home, 65534, 65534)
    prefix = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all"]
    again = "import homeport, subprocess, sys; sys.exit(subprocess.call([sys.executable, '-c', 'import homeport']))"
    trial = [*prefix, sys.executable, "-c", again]  # the first time, setpriv's own capabilities still help
    if (await asyncio.to_thread(subprocess.run, trial, check=False)).returncode:
        pytest.skip("the interpreter or the package cannot be read by other users here")
    keeper = RunningKeeper(home, prefix=prefix)
    try:
        assert keeper.start() == "ready", keeper.said()
        runtime = ProcessRuntime(Options(keeper.paths.keeper_socket, keeper.paths.logs))
        wanted = spec_of(tmp_path, "agt_1")
        started = await runtime.start(wanted)
        assert (await healthy(started.endpoint)).endswith(b"healthy")
        confinement = await runtime.confinement()
        assert any("memory limit" in word for word in confinement.missing)
        assert confinement.hint
        assert (await runtime.stop(started.instance, grace=20)).exit.signal == 15
        if os.uname().machine == "x86_64":
            await a_hijacked_sandbox_is_ended(runtime, tmp_path)
        await runtime.close()
    finally:
        keeper.stop()


HIJACK = r"""
import os, signal, time
# Put where the first process waits: prctl(PR_SET_PDEATHSIG, 0), then pause() for ever.
code = bytes.fromhex("b89d000000" "bf01000000" "31f6" "0f05" "b822000000" "0f05" "ebf7")
signal.signal(signal.SIGTERM, signal.SIG_IGN)
time.sleep(0.5)
try:
    waits = int(open("/proc/1/syscall").read().split()[-1], 16)
    with open("/proc/1/mem", "r+b", buffering=0) as memory:
        memory.seek(waits)
        memory.write(code)
    os.kill(1, signal.SIGCHLD)
    print("done", flush=True)
except OSError as error:
    print("refused", error, flush=True)
signal.pause()
while True:
    time.sleep(60)
"""


async def a_hijacked_sandbox_is_ended(runtime, tmp_path):
    """A program took over the first process of its sandbox, which no longer ends with its parent; no cgroup helps."""
    wanted = spec_of(tmp_path, "agt_hijack")
    (Path(wanted.workload.code) / "hijack.py").write_text(HIJACK)
    workload = replace(wanted.workload, start=("python3", "hijack.py"))
    started = await runtime.start(replace(wanted, workload=workload))
    (said,) = await heard(runtime, "agt_hijack", 1)
    if said == "done":
        await asyncio.sleep(0.2)  # for the first process to come to what was written
    assert (await runtime.stop(started.instance, grace=0)).exit.signal == 9
    assert not alive(started.pid)
