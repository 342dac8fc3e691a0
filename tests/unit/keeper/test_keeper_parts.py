# SPDX-License-Identifier: Apache-2.0
"""State on disk, cgroups, walls, sockets: what each part promises."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from homeport.drivers.runtimes.process import walls
from homeport.drivers.runtimes.process.cgroup import OVERHEAD_PIDS, Cgroups, Group
from homeport.drivers.runtimes.process.sockets import listen_unix
from homeport.errors import UsageError
from homeport.serve import listen
from homeport.serve.keeper.instance import start_ticks
from homeport.serve.keeper.instances import reserve_port
from homeport.serve.keeper.listeners import listen_tcp
from homeport.serve.keeper.state import State
from homeport.serve.keeper.sweep import sweep
from homeport.sockets import short_path


def test_state_is_read_back_as_it_was_saved(tmp_path):
    state = State(tmp_path / "keeper.json")
    assert state.load() == ""
    state.next_seq()
    state.instances["a"] = {"state": "exited"}
    state.save()
    again = State(tmp_path / "keeper.json")
    again.load()
    assert (again.seq, again.instances) == (1, {"a": {"state": "exited"}})


def test_state_that_cannot_be_written_leaves_the_old_one_whole(tmp_path):
    state = State(tmp_path / "keeper.json")
    state.save()
    state.next_seq()
    (tmp_path / "keeper.new").mkdir()
    with pytest.raises(OSError):
        state.save()
    assert state.unsaved
    assert json.loads((tmp_path / "keeper.json").read_text())["seq"] == 0


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"seq": "x"}', b"\xff\x00"])
def test_unreadable_state_is_set_aside_and_numbers_go_on_above(tmp_path, content):
    path = tmp_path / "keeper.json"
    path.write_bytes(content)
    state = State(path)
    assert "set aside" in state.load()
    assert (tmp_path / "keeper.unreadable").read_bytes() == content
    assert state.seq > 10**12


def record(pid: int, ticks: int) -> dict[str, object]:
    place = {"address": "", "endpoint": "", "group": {}, "scratch": "", "stop_grace": 1.0}
    seen = {"pid": pid, "started_at_us": 1, "exit": None, "seq_started": 1, "seq_exited": 0, "proc": [pid, ticks]}
    return {"instance": "a", "agent_id": "agt_1", "namespace": "d", "name": "demo", "state": "running"} | place | seen


def test_the_sweep_never_kills_a_process_that_only_has_the_same_number(tmp_path):
    (tmp_path / "sockets").mkdir()
    (tmp_path / "scratch").mkdir()
    innocent = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    ours = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
    try:
        state = State(tmp_path / "keeper.json")
        state.seq = 2
        state.instances = {
            "reused": record(innocent.pid, start_ticks(innocent.pid) - 1),
            "left": record(ours.pid, start_ticks(ours.pid)),
        }
        nowhere = Cgroups("homeport-unit", mount=tmp_path / "none", own="")
        lost = sweep(state, own=tmp_path, scratch=tmp_path / "scratch", logs=tmp_path / "logs", cgroups=nowhere)
        assert lost == ["reused", "left"]
        assert innocent.poll() is None
        assert ours.wait(30) == -signal.SIGKILL
        assert [event["seq"] for event in state.events(0)] == [1, 1, 3, 4]
        assert state.instances["left"]["exit"]["lost"]
    finally:
        for process in (innocent, ours):
            process.kill()
            process.wait()


def test_limits_are_written_where_version_1_keeps_them(tmp_path):
    for controller in ("memory", "pids", "cpu"):
        base = tmp_path / controller / "mine"
        (base / "homeport-unit").mkdir(parents=True)
        (base / "homeport-unit" / "cgroup.procs").touch()
    groups = Cgroups("homeport-unit", mount=tmp_path, own="3:memory:/mine\n2:pids:/mine\n1:cpu:/mine\n0::/\n")
    assert set(groups.parents) == {"memory", "pids", "cpu"}
    group = groups.create("a", memory_bytes=1 << 20, pids=10, cpus=0.5)
    assert Path(group.folders["memory"], "memory.limit_in_bytes").read_text() == str(1 << 20)
    assert Path(group.folders["pids"], "pids.max").read_text() == str(10 + OVERHEAD_PIDS)
    assert Path(group.folders["cpu"], "cpu.cfs_quota_us").read_text() == "50000"
    Path(group.folders["memory"], "memory.oom_control").write_text("oom_kill_disable 0\nunder_oom 0\noom_kill 3\n")
    assert group.oom_kills() == 3


def test_limits_are_written_where_version_2_keeps_them(tmp_path):
    """Folders stand in for the kernel's; handing controllers down is not tried here."""
    groups = Cgroups("homeport-unit", mount=tmp_path, own="0::/\n")
    groups.version, groups.parents = 2, dict.fromkeys(("cpu", "memory", "pids"), tmp_path)
    group = groups.create("a", memory_bytes=1 << 20, pids=10, cpus=2)
    assert set(group.folders.values()) == {str(tmp_path / "a")}
    folder = tmp_path / "a"
    assert (folder / "memory.max").read_text() == str(1 << 20)
    assert (folder / "pids.max").read_text() == str(10 + OVERHEAD_PIDS)
    assert (folder / "cpu.max").read_text() == "200000 100000"
    (folder / "memory.events").write_text("low 0\noom 1\noom_kill 1\noom_group_kill 0\n")
    assert group.oom_kills() == 1


def test_where_no_cgroup_is_writable_it_says_so(tmp_path):
    groups = Cgroups("homeport-unit", mount=tmp_path, own="4:memory:/x\n0::/\n")
    assert groups.parents == {}
    assert groups.problem
    assert Group({}).oom_kills() == 0
    assert Group({"memory": str(tmp_path / "gone")}).remove()


def make_launch(tmp_path: Path, **changes: object) -> walls.Launch:
    given = {"instance": "i", "agent_id": "a", "name": "demo", "argv": ["x"], "env": {"SECRET": "s3cret"}}
    return walls.Launch(**{**given, "code": "/c", "data": "/d", "own": tmp_path, "port": 8000, **changes})


def test_no_secret_and_no_environment_is_on_the_command_line(tmp_path):
    here = walls.Walls("/usr/bin/bwrap")
    launch = make_launch(tmp_path)
    argv = walls.bwrap_argv(here, launch, seccomp_fd=9, config_fd=8)
    assert not any("s3cret" in word for word in argv)
    assert b"SECRET=s3cret\0" in walls.shim_config(here, launch)


def test_code_is_read_only_except_for_a_job_and_the_network_is_closed_unless_asked(tmp_path):
    here = walls.Walls("/usr/bin/bwrap")
    agent = " ".join(walls.bwrap_argv(here, make_launch(tmp_path), seccomp_fd=-1, config_fd=8))
    job = " ".join(walls.bwrap_argv(here, make_launch(tmp_path, job=True, network=True), seccomp_fd=-1, config_fd=8))
    assert "--ro-bind /c /app" in agent
    assert "--unshare-net" in agent
    assert "--bind /c /app" in job
    assert "--unshare-net" not in job
    assert "resolv.conf" in job
    assert "resolv.conf" not in agent


def test_an_installer_is_never_a_program_of_the_repository(tmp_path):
    """`node_modules/.bin/npm` of a hostile one would run with network, where scripts of packages are off."""
    here = walls.Walls("/usr/bin/bwrap")
    job = make_launch(tmp_path, job=True, network=True)
    assert "/app" not in walls.search_path(here, job, str)
    assert walls.search_path(here, make_launch(tmp_path), str).startswith("/app/")


def test_certificates_of_this_machine_are_shown_to_networked_programs_only(tmp_path):
    mine, own = tmp_path / "company.pem", tmp_path / "own"
    mine.touch()
    named = {"SSL_CERT_FILE": str(mine), "NODE_EXTRA_CA_CERTS": "company.pem", "SSL_CERT_DIR": "/:/etc/ssl/certs"}
    found = walls.certificates({**named, "CURL_CA_BUNDLE": str(tmp_path / "nothing")})
    assert found == (str(mine),)
    here = walls.Walls("/usr/bin/bwrap", certificates=found)
    shown = f"--ro-bind {mine} {mine}"
    assert shown in " ".join(walls.bwrap_argv(here, make_launch(own, network=True), seccomp_fd=-1, config_fd=8))
    assert str(mine) not in " ".join(walls.bwrap_argv(here, make_launch(own), seccomp_fd=-1, config_fd=8))


@pytest.mark.parametrize("bad", [{"argv": ["a\0b"]}, {"env": {"A": "x\0y"}}, {"env": {"A=B": "x"}}, {"env": {"": "x"}}])
def test_words_no_program_can_be_given_are_refused(tmp_path, bad):
    with pytest.raises(ValueError):
        walls.shim_config(walls.Walls(), make_launch(tmp_path, **bad))


def test_sockets_can_be_made_at_paths_longer_than_the_kernel_takes(tmp_path):
    folder = tmp_path / ("x" * 120)
    folder.mkdir()
    path = folder / "keeper.sock"
    for _ in range(2):
        listener = listen_unix(path)
        with socket.socket(socket.AF_UNIX) as client, short_path(path) as name:
            client.connect(name)
        listener.close()
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("address", ["", "8080", ":1", "127.0.0.1:x", "127.0.0.1:70000", "nowhere.invalid:80"])
def test_addresses_that_make_no_sense_are_usage_errors(address):
    with pytest.raises(UsageError):
        listen_tcp(address, "API", "--api-listen")


def test_a_child_takes_over_the_sockets_and_says_that_it_is_ready_once(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as server:
        read, write = os.pipe()
        monkeypatch.setenv(listen.FDS, f"api={os.dup(server.fileno())}")
        monkeypatch.setenv(listen.READY, str(write))
        found = listen.inherited()
        assert found["api"].getsockname() == server.getsockname()
        found["api"].close()
        assert listen.inherited() == {}
        listen.ready()
        listen.ready()
        assert os.read(read, 100) == b"ready\n"
        os.close(read)


def test_the_keeper_needs_the_standard_library_only():
    """Nothing else is imported when it starts, so that it stays small and starts at once."""
    code = (
        "import sys, homeport.serve.keeper.__main__ as m;"
        "print(*{n.partition('.')[0] for n in sys.modules} - set(sys.stdlib_module_names))"
    )
    found = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True).stdout
    assert {name for name in found.split() if not name.startswith(("_", "sitecustomize"))} == {"homeport"}


def test_a_port_given_to_one_agent_is_given_to_no_other_before_the_first_listens():
    first, held = reserve_port(0)
    try:
        second, other = reserve_port(first)
        other.close()
        assert second != first
    finally:
        held.close()
    again, last = reserve_port(first)
    last.close()
    assert again == first
