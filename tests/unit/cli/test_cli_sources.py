# SPDX-License-Identifier: Apache-2.0
"""Sources by name at the command line: what is chosen, what must be said, what is never given by itself."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from homeport.cli import main

FILE = """\
apiVersion: agentainer/v1
kind: AgentDeployment
metadata: {name: two}
spec:
  agents:
    - name: notes
      source: ./notes
      env: {GREETING: "${WORD}", }
      secrets: [mail-password]
    - name: other
      source: ./notes
"""


@pytest.fixture
def agents(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOMEPORT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HOMEPORT_RUNTIME", "process")
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "main.py").write_text('if __name__ == "__main__":\n    print()\n')
    path = tmp_path / "agents.yaml"
    path.write_text(FILE)
    return path


def test_one_of_several_agents_is_chosen_by_name(agents: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", str(agents), "--agent", "notes", "--var", "WORD=hello", "--json"]) == 0
    plan = json.loads(capsys.readouterr().out)
    assert plan["name"] == "notes"
    assert plan["requirements"]["env_values"] == {"GREETING": "hello"}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "choose one with"),
        (["--agent", "nobody"], "nobody"),
        (["--agent", "notes"], "WORD"),
        (["--agent", "notes", "--var", "WORD"], "--var 'WORD': expected NAME=VALUE"),
        (["--agent", "notes", "--ref", "main"], "give one"),
    ],
)
def test_what_is_missing_is_said(agents: Path, capsys: pytest.CaptureFixture[str], words: list[str], said: str) -> None:
    assert main(["plan", str(agents), *words]) == 2
    assert said in capsys.readouterr().err


def test_a_secret_that_a_source_asks_for_is_given_by_a_person_only(
    agents: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["up", str(agents), "--agent", "notes", "--var", "WORD=x", "--yes"]) == 2
    shown = capsys.readouterr()
    assert "asks for secrets that were not given to it: mail-password" in shown.err
    assert "--secret mail-password" in shown.err
    assert not (agents.parent / "home" / "run" / "api.sock").exists(), "and no server was started for it"


def test_a_file_address_takes_consent(agents: Path, capsys: pytest.CaptureFixture[str]) -> None:
    address = (agents.parent / "notes").as_uri()
    assert main(["analyze", address]) == 2
    assert "a local repository is named by its path" in capsys.readouterr().err
    assert main(["analyze", "--local", address]) == 0


def test_a_template_is_planned_by_its_name_and_parameters(agents: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "template:echo-http?log=off", "--json"]) == 0
    plan = json.loads(capsys.readouterr().out)
    assert plan["requirements"]["env_values"]["ECHO_LOG"] == "off"
    assert main(["plan", "template:echo-http?nosuch=1"]) == 2
    assert "nosuch" in capsys.readouterr().err
