# SPDX-License-Identifier: Apache-2.0
"""The help names every verb, imports next to nothing, and every verb explains itself."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from homeport.cli import main
from homeport.cli.verbs import VERBS
from homeport.model.names import RESERVED

WANTED = (
    "up analyze plan apply deploy catalog list inspect logs invoke requests start stop restart remove status "
    "events token secret audit webhooks backup restore store doctor serve server version completion"
).split()

HEAVY = ("asyncio", "msgspec", "homeport.model", "homeport.app", "homeport.client", "http.client", "ssl", "fastapi")


def run(*argv: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *argv], capture_output=True, text=True, timeout=60, check=False,
        env={**os.environ, **env}, stdin=subprocess.DEVNULL,
    )  # fmt: skip


def test_help_lists_every_verb_with_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    assert set(WANTED) == set(VERBS)
    for verb, (_, line) in VERBS.items():
        assert f"  {verb} " in shown and line in shown


@pytest.mark.parametrize("verb", WANTED)
def test_every_verb_has_help_and_takes_json(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([verb, "-h"]) == 0
    shown = capsys.readouterr().out
    assert f"Usage: homeport {verb}" in shown and "--json" in shown


def test_help_imports_nothing_heavy() -> None:
    done = run("-c", f"import sys; from homeport.cli import main; main(['--help']); "
                     f"print([m for m in {HEAVY!r} if m in sys.modules], file=sys.stderr)")  # fmt: skip
    assert done.stderr.strip() == "[]"


@pytest.mark.parametrize(
    "argv", [["nope"], ["up"], ["list", "--nope"], ["logs", "x", "--tail", "y"], ["token", "create", "--role", "king"],
             ["invoke", "x", "a", "-d", "b"], ["up", ".", "-e", "x"], ["stop"], ["stop", "x", "--all"],
             ["token"], ["list", "--namespace", "Not A Label"], ["logs", "x", "--since", "yesterday"]],
)  # fmt: skip
def test_what_makes_no_sense_is_a_usage_error(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(argv) == 2
    assert capsys.readouterr().out == ""


def test_a_usage_error_is_json_on_stdout_when_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["stop", "--json"]) == 2
    shown = capsys.readouterr()
    assert json.loads(shown.out)["error"]["type"] == "UsageError"
    assert shown.err == ""


@pytest.mark.parametrize("name", ["homeport", "agentainer", "envboot"])
def test_the_program_answers_to_each_of_its_names(name: str, tmp_path: Path) -> None:
    program = tmp_path / name
    program.write_text("import sys\nfrom homeport.cli import main\nsys.exit(main())\n")
    done = run(str(program), "--help")
    assert done.returncode == 0
    if name == "envboot":
        assert "Chameleon" in done.stdout
        refused = run(str(program), "lease", "list")
        assert refused.returncode == 2 and "Chameleon" in refused.stderr
    else:
        assert f"Usage: {name} " in done.stdout


def test_python_dash_m_is_the_same_program() -> None:
    done = run("-m", "homeport", "version", "--json")
    assert json.loads(done.stdout)["version"] == "0.1.0"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_a_script_for_the_shell(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", shell]) == 0
    assert "_HOMEPORT_COMPLETE" in capsys.readouterr().out


def test_completion_completes_verbs_and_options_without_importing_them() -> None:
    done = run(
        "-c", "import sys; sys.argv = ['homeport']; from homeport.cli import main; main()",
        _HOMEPORT_COMPLETE="bash_complete", COMP_WORDS="homeport re", COMP_CWORD="1",
    )  # fmt: skip
    assert {line.split(",")[1] for line in done.stdout.split()} == {"restart", "remove", "requests", "restore"}


def test_no_agent_can_be_called_like_a_verb() -> None:
    assert set(VERBS) <= RESERVED
