# SPDX-License-Identifier: Apache-2.0
"""Disks that are full, files that are no files, and a model that nobody set up: said plainly, nothing half done."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from homeport.cli import main

COMMAND = "import sys; from homeport.cli import main; sys.exit(main(sys.argv[1:]))"


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("HOMEPORT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HOMEPORT_RUNTIME", "process")
    for name in ("OPENAI_BASE_URL", "OPENAI_API_KEY", "OPENAI_MODEL"):
        monkeypatch.delenv(name, raising=False)
    folder = tmp_path / "service"
    folder.mkdir()
    (folder / "homeport.yaml").write_text("start: python app.py\nport: 8000\nmemory: 128Mi\n")
    return str(folder)


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """A write beyond it fails as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)


def test_a_plan_that_does_not_fit_leaves_the_one_that_was_there(
    service: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = tmp_path / "plan.json"
    assert main(["plan", service, "-o", str(kept)]) == 0
    before = kept.read_bytes()
    with files_of_at_most(4096):
        assert main(["plan", service, "--name", "other", "-o", str(kept)]) == 4
    assert "cannot write" in capsys.readouterr().err
    assert kept.read_bytes() == before
    assert not list(tmp_path.glob(".homeport-*")), "nothing half written is left"


def test_a_plan_goes_through_links_and_pipes(service: str, tmp_path: Path) -> None:
    (tmp_path / "link.json").symlink_to("real.json")
    assert main(["plan", service, "-o", str(tmp_path / "link.json")]) == 0
    assert (tmp_path / "link.json").is_symlink()
    assert json.loads((tmp_path / "real.json").read_bytes())["kind"] == "plan"
    assert main(["plan", service, "-o", "/dev/null"]) == 0


@pytest.mark.parametrize("words", [[], ["--json"]])
def test_output_that_cannot_be_written_is_one_line_and_no_fault_of_homeport(service: str, words: list[str]) -> None:
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run(
            [sys.executable, "-c", COMMAND, "plan", service, *words], stdout=full, stderr=subprocess.PIPE, text=True,
            timeout=60, check=False,
        )  # fmt: skip
    assert ended.returncode == 4
    assert "No space left on device" in ended.stderr
    assert "Traceback" not in ended.stderr and "fault" not in ended.stderr


def test_a_pipe_in_the_place_of_fetched_facts_is_not_waited_for(
    service: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    facts = tmp_path / "home" / "cache" / "facts"
    facts.mkdir(parents=True)
    os.mkfifo(facts / "linode.json")
    assert main(["catalog", "list", "--target", "linode"]) == 0
    assert "cannot be read and is not used" in "".join(capsys.readouterr())


def test_nothing_is_sent_to_a_model_that_nobody_set_up(service: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", service, "--llm"]) == 2
    assert "no model is set up to be asked" in capsys.readouterr().err
