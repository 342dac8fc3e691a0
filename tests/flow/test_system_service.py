# SPDX-License-Identifier: Apache-2.0
"""`make install` on a machine where systemd runs: a clean Debian in a container, with systemd as its first process."""

from __future__ import annotations

import io
import json
import platform
import shutil
import subprocess
import tarfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from container_rig import ROOT
from homeport.errors import HomeportError
from homeport.testing.servers.engine import Engine
from homes import AGENT, MANIFEST, wait_until

pytestmark = pytest.mark.timeout(600)

PACKAGES = (
    *("base-files", "base-passwd", "bash", "bubblewrap", "ca-certificates", "coreutils", "dash", "dbus", "findutils"),
    *("git", "grep", "libc-bin", "libpam-systemd", "libstdc++6", "login", "make", "mount", "passwd", "procps"),
    *("python3", "python3-venv", "sed", "systemd", "systemd-sysv", "util-linux"),
)
RIGHTS = (
    *("--cap-add", "SYS_ADMIN", "--security-opt", "seccomp=unconfined", "--security-opt", "apparmor=unconfined"),
    *("--security-opt", "systempaths=unconfined", "--tmpfs", "/run", "--tmpfs", "/tmp:exec", "--network", "none"),
    *("--volume", "/sys/fs/cgroup:/sys/fs/cgroup", "--env", "container=docker"),
)


@pytest.fixture
def machine(engine: Engine, build_context: Path, tmp_path: Path) -> Iterator[str]:
    """The name of a running container with systemd, this checkout in /srv/homeport, and wheels in /srv/wheelhouse."""
    if not shutil.which("mmdebstrap"):
        pytest.skip("the clean system is made by mmdebstrap: apt-get install mmdebstrap")
    archive, name = tmp_path / "machine.tar", f"hp-machine-{uuid.uuid4().hex[:10]}"
    argv = ["mmdebstrap", "--quiet", "--mode=root", "--variant=extract", f"--include={','.join(PACKAGES)}",
            "--hook-dir=/usr/share/mmdebstrap/hooks/merged-usr",
            platform.freedesktop_os_release()["VERSION_CODENAME"], str(archive)]  # fmt: skip
    made = subprocess.run(argv, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    assert made.returncode == 0, made.stderr[-3000:]
    engine.docker("import", str(archive), f"{name}:1")
    archive.unlink()
    engine.docker("run", "--detach", "--name", name, *RIGHTS, f"{name}:1", "/lib/systemd/systemd")
    try:
        engine.docker("exec", name, "mkdir", "-p", "/srv")
        engine.docker("exec", "--interactive", name, "tar", "-x", "-C", "/srv", given=checkout(build_context))
        yield name
    finally:
        engine.docker("rm", "--force", "--volumes", name)
        engine.docker("rmi", "--force", f"{name}:1")


def checkout(build_context: Path) -> bytes:
    """A tar of what an installation needs: `homeport` and `wheelhouse`."""

    def plain(info: tarfile.TarInfo) -> tarfile.TarInfo | None:
        info.uid = info.gid = 0
        return None if "__pycache__" in info.name else info

    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for part in ("Makefile", "pyproject.toml", "README.md", "LICENSE", "requirements", "deploy", "src"):
            tar.add(ROOT / part, f"homeport/{part}", filter=plain)
        tar.add(build_context / "wheelhouse", "wheelhouse", filter=plain)
    return buffer.getvalue()


def packed(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(f"agent/{name}")
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def test_a_service_of_its_own_user_with_sandboxes_that_comes_back_and_goes(engine: Engine, machine: str) -> None:
    def on(*argv: str, **env: str) -> str:
        given = [word for name, value in env.items() for word in ("--env", f"{name}={value}")]
        return engine.docker("exec", *given, "--workdir", "/srv/homeport", machine, *argv)

    def answers() -> bool:
        try:
            return bool(on("homeport", "list"))
        except HomeportError:
            return False

    def main_pid() -> str:
        return on("systemctl", "show", "--property=MainPID", "--value", "homeport")

    assert "nothing is missing" in on("make", "install-prerequisites")
    said = on("make", "install", PIP_NO_INDEX="1", PIP_FIND_LINKS="/srv/wheelhouse")
    assert "the service homeport runs" in said
    said = on("make", "verify")
    assert "an agent answers through the gateway" in said and "systemd reads /etc/systemd/system" in said

    assert wait_until(answers, 60)
    confinement = json.loads(on("homeport", "--json", "status"))["confinement"]
    assert confinement["level"] == "sandbox", confinement
    pid = main_pid()
    assert on("stat", "-c", "%U", f"/proc/{pid}") == "homeport"
    source = packed({"main.py": AGENT.encode(), "homeport.yaml": MANIFEST.encode()})
    engine.docker("exec", "--interactive", machine, "tar", "-x", "-C", "/srv", given=source)
    on("homeport", "up", "/srv/agent", "--yes")

    on("kill", "-9", pid)
    assert wait_until(lambda: main_pid() not in ("0", pid) and answers(), 60)
    running = lambda: json.loads(on("homeport", "--json", "list"))[0]["status"] == "running"  # noqa: E731
    assert wait_until(running, 60)
    on("systemctl", "stop", "homeport")
    assert "Result=success" in on("systemctl", "show", "--property=Result", "homeport")
    assert on("sh", "-c", "pgrep -fc homeport.serve || true") in ("0", "1")  # pgrep sees the shell that runs it

    assert "kept /var/lib/homeport" in on("make", "uninstall")
    there = on(
        "sh", "-c", "ls -d /opt/homeport /usr/local/bin/homeport /etc/systemd/system/homeport.service 2>/dev/null||:"
    )
    assert there == ""
    assert on("ls", "/var/lib/homeport/state.db")
