# SPDX-License-Identifier: Apache-2.0
"""`python deploy/install.py`: Homeport of this checkout into an environment of its own. Idempotent; also upgrades.

Environment: PREFIX, BINDIR, UNITDIR, DESTDIR (a packager's folder: nothing is started then), START=no (the unit is
written and enabled, not started). Packages are pinned by hash; an index of your own is taken from pip's settings.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import services
from layout import COMMANDS, Layout, Refused, alone, from_environment

CHECKOUT = Path(__file__).resolve().parent.parent
PINS = CHECKOUT / "requirements"


def main() -> int:
    try:
        layout = from_environment(os.environ)
        install(layout)
    except Refused as refusal:
        print(f"install: {refusal}", file=sys.stderr)
        return 1
    except subprocess.CalledProcessError as error:
        print(f"install: {' '.join(map(str, error.cmd))} ended with {error.returncode}", file=sys.stderr)
        print(f"{error.stdout or ''}{error.stderr or ''}", end="", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"install: {error}", file=sys.stderr)
        return 1
    return 0


def install(layout: Layout) -> None:
    """The old environment stays in place until the new one is whole."""
    if sys.version_info < (3, 11):  # noqa: UP036  (whatever python3 is here runs this)
        raise Refused(f"Python 3.11 or newer is needed, this is {sys.version.split()[0]} (PYTHON=… chooses another)")
    before = layout.installed()
    links = [layout.bindir / name for name in COMMANDS]
    for link in links:
        _must_be_ours(layout, link)
    new, venv = layout.staged(layout.prefix / "venv.new"), layout.staged(layout.venv)
    new.parent.mkdir(parents=True, exist_ok=True)
    layout.staged(layout.receipt).write_text(json.dumps(before or {"version": ""}))  # from now on the folder is ours
    with alone(layout), tempfile.TemporaryDirectory(prefix="homeport-install-") as scratch:
        say(f"building Homeport from {CHECKOUT}")
        wheel = build(Path(scratch))
        say(f"installing it and what it needs into {venv}")
        make_environment(new, wheel, final=layout.venv)
        replace(venv, new)
        for link in links:
            _link(layout, link)
        version = wheel.name.split("-")[1]
        unit = services.install(layout)
        receipt = {"version": version, "links": [str(link) for link in links], "unit": str(unit or "")}
        layout.staged(layout.receipt).write_text(json.dumps(receipt, indent=2) + "\n")
    say(
        f"homeport {version} is {layout.bindir / 'homeport'}"
        + (f", was {was}" if (was := before.get("version")) else "")
    )
    if not layout.destdir and str(layout.bindir) not in os.environ.get("PATH", "").split(":"):
        say(f'{layout.bindir} is not on your PATH: add  export PATH="{layout.bindir}:$PATH"  to your profile')
    services.enable(layout, start=os.environ.get("START", "yes") != "no")


def replace(venv: Path, new: Path) -> None:
    """`new` in the place of `venv`; what is left of an interrupted one goes."""
    old = venv.with_name("venv.old")
    shutil.rmtree(old, ignore_errors=True)
    if venv.exists():
        venv.rename(old)
    new.rename(venv)
    shutil.rmtree(old, ignore_errors=True)


def build(scratch: Path) -> Path:
    """The wheel of this checkout, built by the pinned backend. Nothing is written into the checkout."""
    tools = scratch / "tools"
    run(sys.executable, "-m", "venv", str(tools))
    pip(tools, "--require-hashes", "-r", str(PINS / "build.txt"))
    run(str(tools / "bin" / "python"), "-m", "hatchling", "build", "-t", "wheel", "-d", str(scratch / "dist"),
        cwd=CHECKOUT)  # fmt: skip
    return next((scratch / "dist").glob("*.whl"))


def make_environment(new: Path, wheel: Path, *, final: Path) -> None:
    """An environment that works once it lies at `final`, as a rename puts it there."""
    shutil.rmtree(new, ignore_errors=True)
    run(sys.executable, "-m", "venv", str(new))
    pip(new, "--no-compile", "--require-hashes", "-r", str(PINS / "core.txt"))
    pip(new, "--no-compile", "--no-deps", "--no-index", str(wheel))
    for file in _texts(new):
        text = file.read_text()
        if str(new) in text:
            file.write_text(text.replace(str(new), str(final)))
    run(str(new / "bin" / "python"), "-m", "compileall", "-q", "-f", "-s", str(new), "-p", str(final), str(new / "lib"))


def _texts(venv: Path) -> Iterator[Path]:
    """The files of an environment that name the place where it lies."""
    yield venv / "pyvenv.cfg"
    for file in (venv / "bin").iterdir():
        if file.is_file() and not file.is_symlink():
            with file.open("rb") as opened:
                if opened.read(2) == b"#!" or file.name.lower().startswith("activate"):
                    yield file


def _must_be_ours(layout: Layout, link: Path) -> None:
    there = layout.staged(link)
    if there.is_symlink() and there.readlink().is_relative_to(layout.prefix):
        return
    if there.is_symlink() or there.exists():
        raise Refused(f"{there} is there and not Homeport's: remove it, or choose another BINDIR")


def _link(layout: Layout, link: Path) -> None:
    """Replaced in one step, so that the command is never missing."""
    there = layout.staged(link)
    there.parent.mkdir(parents=True, exist_ok=True)
    fresh = there.with_name(f".{there.name}.new")
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(layout.venv / "bin" / link.name)
    fresh.rename(there)


def pip(venv: Path, *words: str) -> None:
    run(str(venv / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "--quiet", "install", *words)


def run(*argv: str, cwd: Path | None = None) -> None:
    """Neither the caller's virtual environment nor his PYTHONPATH decides what is installed."""
    foreign = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")
    env = {name: value for name, value in os.environ.items() if name not in foreign}
    subprocess.run(argv, cwd=cwd, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True)


def say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
