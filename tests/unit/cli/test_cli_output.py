# SPDX-License-Identifier: Apache-2.0
"""What reaches the terminal: aligned, uncoloured where asked, and never steered by foreign text."""

from __future__ import annotations

import io
import json

import pytest

from door_rig import a_plan
from homeport.cli.output import clean, fail, mark, table
from homeport.cli.plans import plan_lines
from homeport.cli.showing import conclusions
from homeport.cli.times import seconds, shown, since_us
from homeport.errors import Conflict, Denied, HomeportError, NoCapacity, StalePlan, Unhealthy, UsageError
from homeport.model.size import as_size


@pytest.mark.parametrize(
    ("hostile", "harmless"),
    [
        ("\x1b[2J\x1b]0;owned\x07", "\\x1b[2J\\x1b]0;owned\\x07"),
        ("a\rb", "a\\rb"),
        ("a\u202eb", "a\\u202eb"),
        ("line\nline", "line\\nline"),
        ("\ud800", "\\ud800"),
        ("\x9b31m", "\\x9b31m"),
        ("naïve ✔ 漢字", "naïve ✔ 漢字"),
    ],
)
def test_foreign_text_cannot_steer_the_terminal(hostile: str, harmless: str) -> None:
    assert clean(hostile) == harmless
    assert all(c.isprintable() for c in clean(hostile))


def test_a_quote_from_a_repository_is_shown_harmlessly() -> None:
    plan = a_plan(name="notes", quote="\x1b[31m", commit="\x1b]8;;http://evil\x07")
    for line in [*table(("A",), [(text,) for text in conclusions(plan.requirements)]), *map(clean, plan_lines(plan))]:
        assert line.isprintable()


def test_conclusions_cite_file_line_and_rule() -> None:
    text = "\n".join(conclusions(a_plan().requirements))
    assert "python app.py" in text and "homeport.yaml:2" in text and "manifest.start" in text
    assert "app.py:12" in text and "python.port" in text


def test_a_plan_marks_the_chosen_one_and_says_why_the_other_lost() -> None:
    lines = list(plan_lines(a_plan(), every=True))
    assert lines[1] == "  this machine, until stopped: free."
    assert any("it costs money and this machine does not" in line for line in lines)


def test_tables_are_aligned_whatever_is_in_them() -> None:
    lines = table(("NAME", "STATE"), [("漢字", "up"), ("a\nb", "down"), ("plain", "x")])
    assert lines[0].index("STATE") == lines[3].index("x")
    assert len(lines) == 4


@pytest.mark.parametrize(
    ("error", "code"),
    [(HomeportError("x"), 1), (UsageError("x"), 2), (Denied("x"), 3), (NoCapacity("x"), 4), (Unhealthy("x"), 5),
     (StalePlan("x"), 6), (Conflict("x"), 1)],
)  # fmt: skip
def test_an_error_has_its_exit_code_and_prints_cause_blank_line_hint(
    error: HomeportError, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    error.hint = "do \x1bthis"
    assert fail(error, as_json=False) == code
    assert capsys.readouterr().err == "error: x\n\nhint: do \\x1bthis\n"
    assert fail(error, as_json=True) == code
    assert json.loads(capsys.readouterr().out)["error"]["type"] == type(error).__name__


def test_colour_is_for_terminals_that_want_it(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert mark("x", 31, io.StringIO()) == "x"
    assert mark("x", 31, Terminal()) == "\x1b[31mx\x1b[0m"
    monkeypatch.setenv("NO_COLOR", "1")
    assert mark("x", 31, Terminal()) == "x"


def test_durations_and_times_are_read_as_people_write_them() -> None:
    assert [seconds(text, "--ttl") for text in ("90", "90s", "10m", "2h", "7d", "0")] == [90, 90, 600, 7200, 604800, 0]
    assert since_us("10s", 60_000_000) == 50_000_000
    assert since_us("1970-01-01T00:01:00Z", 0) == since_us("1970-01-01T00:01:00", 0) == 60_000_000
    assert shown(60_000_000) == "1970-01-01T00:01:00.000Z" and shown(0) == "-"
    assert [as_size(n) for n in (0, 512, 2048, 512 << 20, 78 << 30)] == ["0 B", "512 B", "2 KiB", "512 MiB", "78 GiB"]
    for wrong in ("", "-1", "1w", "1e9", "²"):
        with pytest.raises(UsageError):
            seconds(wrong, "--ttl")
