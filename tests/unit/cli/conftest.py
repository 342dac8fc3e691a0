# SPDX-License-Identifier: Apache-2.0
"""The command line in this process, in a home of its own, with or without a server to talk to."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from door_rig import Doors, Run, opened_doors
from homeport.cli import main

_OF_THIS_MACHINE = ("DEFAULT_SITE", "DEFAULT_NETWORK", "DEFAULT_KEY_NAME", "OPENAI_MODEL", "OPENAI_BASE_URL")


@pytest.fixture
def doors(tmp_path: Path) -> Iterator[Doors]:
    """An API that serves the home of `run`."""
    with opened_doors(tmp_path / "home") as doors:
        yield doors


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    """`run("list", "--json")` is (exit code, stdout, stderr); `program` is the name it is called by."""
    monkeypatch.setenv("HOMEPORT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HOMEPORT_RUNTIME", "process")
    for name in _OF_THIS_MACHINE:
        monkeypatch.delenv(name, raising=False)

    def call(*argv: str, stdin: str = "", program: str = "", **env: str) -> tuple[int, str, str]:
        with monkeypatch.context() as context:
            context.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin.encode())))
            for name, value in env.items():
                context.setenv(name, value)
            if program:
                context.setattr(sys, "argv", [program, *argv])
            code = main() if program else main(argv)
        said = capfd.readouterr()
        return code, said.out, said.err

    return call
