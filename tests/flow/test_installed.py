# SPDX-License-Identifier: Apache-2.0
"""`make install-prerequisites`, `install`, `verify`, `uninstall`, run for real below folders of the test's own."""

from __future__ import annotations

import fcntl
import os
import pty
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from container_rig import ROOT

pytestmark = pytest.mark.timeout(600)

PARTS = ("Makefile", "pyproject.toml", "README.md", "LICENSE", "requirements", "deploy", "src")
SOMEBODY = 54_321
"""A user that exists nowhere: root becomes it, to see what an ordinary user sees."""
Make = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that an ordinary user may enter and write: pytest's own are closed."""
    folder = Path(tempfile.mkdtemp(prefix="hp-installed-"))
    folder.chmod(0o777)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def make(place: Path) -> Make:
    """`make TARGET` in a copy of this checkout with a home below `place`; `user`: as somebody who is not root."""
    checkout = place / "checkout"
    for part in PARTS:
        target = checkout / part
        target.parent.mkdir(exist_ok=True)
        if (ROOT / part).is_dir():
            shutil.copytree(ROOT / part, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / part, target)
    (place / "home").mkdir()
    (place / "home").chmod(0o777)

    def run(target: str, *, user: bool = False, **variables: str) -> subprocess.CompletedProcess[str]:
        other = user and os.geteuid() == 0
        become = ["setpriv", f"--reuid={SOMEBODY}", f"--regid={SOMEBODY}", "--clear-groups"] if other else []
        env = {"PATH": os.environ["PATH"], "HOME": str(place / "home"), "LANG": "C.UTF-8", **variables}
        return subprocess.run(
            [*become, "make", target, "PYTHON=/usr/bin/python3"], cwd=checkout, env=env, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, check=False,
        )  # fmt: skip

    return run


def ok(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_an_ordinary_user_installs_verifies_upgrades_and_uninstalls(
    make: Make, place: Path, build_context: Path
) -> None:
    home = place / "home"
    wheels = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(shutil.copytree(build_context / "wheelhouse", place / "w"))}
    said = ok(make("install", user=True, **wheels))
    command = home / ".local/bin/homeport"
    assert f"homeport 0.1.0 is {command}" in said and "not on your PATH" in said
    assert "an agent answers through the gateway" in ok(make("verify", user=True))
    before = command.resolve().stat().st_ino
    assert "was 0.1.0" in ok(make("install", user=True, **wheels))
    assert command.resolve().stat().st_ino != before
    assert sorted(p.name for p in (home / ".local/lib/homeport").iterdir()) == ["installed.json", "venv"]

    state = home / ".local/state/homeport"
    state.mkdir(parents=True)
    (state / "kept").touch()
    assert f"kept {state}" in ok(make("uninstall", user=True))
    assert (state / "kept").exists() and not command.is_symlink() and not (home / ".local/lib/homeport").exists()
    assert "is not installed" in ok(make("uninstall", user=True))
    assert make("verify", user=True).returncode != 0


def test_a_packager_gets_a_tree_that_names_only_its_final_places(make: Make, place: Path, build_context: Path) -> None:
    wheels = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(build_context / "wheelhouse")}
    staged, options = place / "staged", {"PREFIX": "/opt/homeport", "BINDIR": "/usr/bin", "UNITDIR": "/etc/units"}
    ok(make("install", DESTDIR=str(staged), **options, **wheels))
    unit = (staged / "etc/units/homeport.service").read_text()
    assert "ExecStart=/opt/homeport/venv/bin/homeport serve" in unit and "Delegate=yes" in unit
    assert (staged / "usr/bin/homeport").readlink() == Path("/opt/homeport/venv/bin/homeport")
    named = subprocess.run(["grep", "-rlF", str(place), staged], capture_output=True, text=True, check=False).stdout
    assert named == ""
    assert (staged / "opt/homeport/venv/bin/homeport").read_text().startswith("#!/opt/homeport/venv/bin/python")
    ok(make("uninstall", DESTDIR=str(staged), **options))
    assert not [path for path in staged.rglob("*") if not path.is_dir()]


@pytest.mark.parametrize(
    ("variables", "why"),
    [
        ({"PREFIX": "/usr"}, "not a folder of Homeport's own"),
        ({"PREFIX": "relative"}, "absolute"),
        ({"PREFIX": "/opt/../etc/homeport"}, "without .."),
        ({"PREFIX": "/usr/local"}, "not a folder of Homeport's own"),
    ],
)
@pytest.mark.parametrize("target", ["install", "uninstall"])
def test_a_prefix_that_cannot_be_meant_is_refused(make: Make, target: str, variables: dict[str, str], why: str) -> None:
    done = make(target, **variables)
    assert done.returncode != 0 and why in done.stderr


def test_two_at_once_are_one(make: Make, place: Path) -> None:
    prefix = place / "own" / "homeport"
    prefix.mkdir(parents=True)
    with (prefix / "installed.json").open("w") as lock:
        lock.write('{"version": "0.1.0"}')
        lock.flush()
        fcntl.flock(lock, fcntl.LOCK_EX)
        for target in ("install", "uninstall"):
            refused = make(target, PREFIX=str(prefix), BINDIR=str(place / "bin"), HOMEPORT_HOME=str(place / "none"))
            assert refused.returncode and "under way" in refused.stderr
    assert [path.name for path in prefix.iterdir()] == ["installed.json"]


def test_what_others_put_there_is_left_alone(make: Make, place: Path) -> None:
    full, theirs = place / "full" / "homeport", place / "bin"
    full.mkdir(parents=True)
    (full / "thesis.txt").touch()
    refused = make("install", PREFIX=str(full))
    assert refused.returncode and "not Homeport's" in refused.stderr
    theirs.mkdir()
    (theirs / "homeport").write_text("#!/bin/sh\n")
    refused = make("install", PREFIX=str(place / "own" / "homeport"), BINDIR=str(theirs))
    assert refused.returncode and "not Homeport's" in refused.stderr
    assert (full / "thesis.txt").exists() and (theirs / "homeport").exists()


def test_prerequisites_are_shown_and_installed_only_after_a_yes(place: Path) -> None:
    programs, log = place / "programs", place / "log"
    programs.mkdir()
    for name in ("id", "sh"):
        (programs / name).symlink_to(shutil.which(name) or name)
    for name in ("apt-get", "dnf", "sudo"):
        (programs / name).write_text(f'#!/bin/sh\necho {name} "$@" >>{log}\n')
        (programs / name).chmod(0o755)

    def run(release: str, *words: str, answer: str = "") -> tuple[int, str]:
        (place / "release").write_text(release)
        env = {"PATH": str(programs), "OS_RELEASE": str(place / "release")}
        argv = [shutil.which("sh") or "sh", str(ROOT / "deploy/prerequisites.sh"), *words]
        mine, theirs = pty.openpty()
        os.write(mine, f"{answer}\n".encode())
        done = subprocess.run(
            argv, env=env, stdin=theirs if answer else subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, check=False,
        )  # fmt: skip
        os.close(mine)
        os.close(theirs)
        return done.returncode, done.stdout

    code, said = run("ID=ubuntu\nID_LIKE=debian\n")
    assert code == 2 and "apt-get install -y --no-install-recommends python3 python3-venv git bubblewrap" in said
    assert run("ID=debian\n", answer="n")[0] == 1 and not log.exists()
    run("ID=debian\n", "--with", "docker", answer="y")
    assert "apt-get install -y --no-install-recommends python3 python3-venv git bubblewrap docker.io" in log.read_text()
    run("ID=rocky\nID_LIKE='rhel centos fedora'\n", "--yes")
    assert "dnf install -y python3 git bubblewrap" in log.read_text()
    code, said = run("ID=plan9\nPRETTY_NAME='Plan 9'\n", "--yes")
    assert code == 1 and "Plan 9 is not known here" in said
    assert run("ID=debian\n", "--with", "emacs")[0] == 2
