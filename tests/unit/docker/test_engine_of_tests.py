# SPDX-License-Identifier: Apache-2.0
"""The engine that tests run on is real, shared by those who name the same folder, and leaves nothing."""

import subprocess
import sys
from pathlib import Path

import pytest

from homeport.testing.servers import engine as engines
from homeport.testing.servers.baseimage import base_image

pytestmark = pytest.mark.skipif(bool(engines.missing()), reason=engines.missing())


def test_two_who_share_an_engine_get_the_same_and_it_ends_after_the_last(tmp_path):
    with engines.shared(tmp_path) as first:
        with engines.shared(tmp_path) as second:
            assert first.host == second.host
        assert first.docker("ps", "--quiet") == ""
    assert not first.folder.exists()


def test_an_engine_ends_with_a_user_that_is_killed(tmp_path):
    code = """if True:
        import os, signal, sys
        from pathlib import Path
        from homeport.testing.servers import engine as engines
        with engines.shared(Path(sys.argv[1])) as found:
            print(found.folder, flush=True)
            os.kill(os.getpid(), signal.SIGKILL)
    """
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=False)
    engines.wait_for_end(Path(done.stdout.strip()))
    assert not Path(done.stdout.strip()).exists()


def test_containers_of_an_engine_that_was_killed_are_gone_once_it_is_closed():
    with engines.DockerEngine(network="host") as found:
        container = found.docker("run", "-d", "--network=none", base_image(found), "sleep", "600")
        pid = int(found.docker("inspect", "--format", "{{.State.Pid}}", container))
        found.kill()
        assert Path("/proc", str(pid)).exists()
    assert not Path("/proc", str(pid)).exists()
    assert not found.folder.exists()
    assert str(found.folder) not in Path("/proc/self/mountinfo").read_text()
