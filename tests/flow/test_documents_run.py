# SPDX-License-Identifier: Apache-2.0
"""Every console block of the tutorial, of the how-to pages and of the README does what the page says."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

import documents
from homes import Home

ROOT = Path(__file__).parents[2]
PAGES = [
    ROOT / "README.md",
    *sorted((ROOT / "docs").glob("tutorial/*.md")),
    *sorted((ROOT / "docs").glob("how-to/*.md")),
]
TRANSCRIPT = "<!-- transcript: begin -->"


def runnable(page: Path) -> str:
    """Its text without the transcript of the demo, which the demo itself writes."""
    before, _, rest = page.read_text().partition(TRANSCRIPT)
    return before + rest.partition("<!-- transcript: end -->")[2]


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    "page",
    [page for page in PAGES if list(documents.steps(runnable(page)))],
    ids=lambda page: str(page.relative_to(ROOT)),
)
def test_a_page_does_what_it_says(page: Path, home: Home, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    text = runnable(page)
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in ("homeport", "agentainer", "envboot"):
        (programs / name).write_text(f'#!/bin/sh\nexec {sys.executable} -m homeport "$@"\n')
        (programs / name).chmod(0o755)
    env = home.env | {"PATH": f"{programs}:{os.environ['PATH']}", "HOMEPORT_RUNTIME": "process", "COLUMNS": "120"}
    if "engine" in documents.needs(text):
        env |= {
            "DOCKER_HOST": request.getfixturevalue("engine").host,
            "HOMEPORT_RUNTIME": "auto",
            "DOCKER_BUILDKIT": "0",
        }
        env |= {"IMAGE": request.getfixturevalue("engine_image")}
    if "postgres" in documents.needs(text):
        env |= {"DATABASE": request.getfixturevalue("database")}
    folder = home.folder.parent / "reader"
    folder.mkdir()
    for step in documents.steps(text):
        wrong = documents.carry_out(step, folder, env)
        assert not wrong, f"{page.relative_to(ROOT)}: {wrong}\n{home.log_tail()}"


@pytest.mark.parametrize(
    ("promised", "said", "missing"),
    [
        (("one", "two"), "one\ntwo\n", ""),
        (("o…",), "one\n", ""),
        (("…", "two"), "one\nand\ntwo\n", ""),
        (("one", "…"), "one\nand\ntwo\n", ""),
        ((), "anything\n", ""),
        (("two",), "one\n", "two"),
        (("one",), "one\ntwo\n", "(the end; then it says) two"),
        (("one", "…", "four"), "one\ntwo\n", "four"),
    ],
)
def test_a_promise_is_compared_line_by_line(promised: tuple[str, ...], said: str, missing: str) -> None:
    assert documents.not_printed(promised, said) == missing
