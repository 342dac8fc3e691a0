# SPDX-License-Identifier: Apache-2.0
"""What a hostile program finds when it tries the walls of its sandbox."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from homeport.drivers.runtimes.process.client import Options, ProcessRuntime
from homeport.model.instance import InstanceSpec
from homeport.testing.conformance.runtime import exit_of, printed
from homeport.testing.keepers import RunningKeeper
from homeport.testing.programs import program

HOSTILE = r"""
import ctypes, json, os, socket, sys
keeper, secret = sys.argv[1:]
open("/data/mine", "w").close()
libc = ctypes.CDLL(None, use_errno=True)

def call(name, *args):
    ctypes.set_errno(0)
    return [getattr(libc, name)(*args), ctypes.get_errno()][1]

def attempt(action):
    try:
        action()
    except OSError as error:
        return type(error).__name__
    return "done"

status = dict(line.split(":", 1) for line in open("/proc/self/status"))
print(json.dumps({
    "processes": sorted(int(name) for name in os.listdir("/proc") if name.isdigit() and int(name) != os.getpid()),
    "capabilities": int(status["CapEff"], 16) | int(status["CapBnd"], 16),
    "no_new_privs": status["NoNewPrivs"].strip(),
    "seccomp": status["Seccomp"].strip(),
    "keeper_sock": attempt(lambda: socket.socket(socket.AF_UNIX).connect(keeper)),
    "secret": attempt(lambda: open(secret).read()),
    "write_code": attempt(lambda: open("/app/x", "w")),
    "write_usr": attempt(lambda: open("/usr/x", "w")),
    "write_root": attempt(lambda: open("/x", "w")),
    "interfaces": [name for _, name in socket.if_nameindex()],
    "shadow": attempt(lambda: open("/etc/shadow").read()),
    "unshare": call("unshare", 0x10000000),
    "mount": call("mount", b"x", b"/tmp", b"tmpfs", 0, None),
    "ptrace": call("ptrace", 16, 1, 0, 0),
    "keyctl": call("syscall", 250, 0, 0),
    "bpf": call("syscall", 321, 0, 0, 0),
    "io_uring": call("syscall", 425, 1, 0),
    "families": [family for family in range(64) if attempt(lambda: socket.socket(family, socket.SOCK_STREAM)) == "done"
                 or attempt(lambda: socket.socket(family, socket.SOCK_DGRAM)) == "done"],
    "open_fds": sorted(int(name) for name in os.listdir("/proc/self/fd"))[:-1],
    "tmp": os.listdir("/tmp"),
}))
"""


async def test_a_hostile_program_finds_every_wall_standing(tmp_path):
    keeper = RunningKeeper(tmp_path / "home")
    assert keeper.start() == "ready", keeper.said()
    runtime = ProcessRuntime(Options(keeper.paths.keeper_socket, keeper.paths.logs))
    try:
        if (await runtime.confinement()).level != "sandbox":
            pytest.skip("no sandbox on this machine: " + (await runtime.confinement()).hint)
        secret = tmp_path / "secret"
        secret.write_text("x")
        workload = program(tmp_path / "code", "serve")
        script = Path(workload.code, "hostile.py")
        script.write_text(HOSTILE)
        script.chmod(0o644)
        start = ("python3", "hostile.py", str(keeper.paths.keeper_socket), str(secret))
        (tmp_path / "data").mkdir()
        workload = replace(workload, start=start)
        await runtime.start(InstanceSpec("ins_1", "agt_1", "default", "demo", workload, str(tmp_path / "data")))
        await exit_of(runtime, "ins_1")
        (text,) = await printed(runtime, "agt_1")
        found = json.loads(text)
    finally:
        await runtime.close()
        keeper.stop()
    assert found["processes"] == [1]
    assert found["capabilities"] == 0
    assert found["no_new_privs"] == "1"
    assert (tmp_path / "data" / "mine").stat().st_uid != 0
    assert found["keeper_sock"] == found["secret"] == "FileNotFoundError"
    assert {found[name] for name in ("write_code", "write_usr", "write_root")} == {"OSError"}
    assert found["shadow"] == "FileNotFoundError"
    assert found["interfaces"] == ["lo"]
    ours = [Path(prefix).parts for prefix in (sys.prefix, sys.base_prefix)]
    assert set(found["tmp"]) == {parts[2] for parts in ours if parts[1] == "tmp"}, "only what leads to the interpreter"
    assert set(found["families"]) <= {1, 2, 10, 16}
    assert found["open_fds"] == [0, 1, 2]
    assert found["seccomp"] == "2"
    assert {found[name] for name in ("unshare", "mount", "ptrace")} == {1}
    if os.uname().machine == "x86_64":
        assert (found["keyctl"], found["bpf"], found["io_uring"]) == (1, 1, 38)
