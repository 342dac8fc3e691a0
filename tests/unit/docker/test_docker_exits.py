# SPDX-License-Identifier: Apache-2.0
"""Why a container ended is what was seen, and nothing else."""

import pytest

from homeport.drivers.runtimes.docker.exits import exit_of, microseconds, own_text, why_not_executed

SPAWNED = "[INFO  tini (1)] Spawned child process 'python3' with pid '7'"
NORMALLY = "[INFO  tini (1)] Main child exited normally (with status '{}')"
SIGNALLED = "[INFO  tini (1)] Main child exited with signal (with signal '{}')"


def told(code, *lines, oom=False, unwatched=False, **state):
    seen = {"State": {"ExitCode": code, "FinishedAt": "2026-01-31T12:00:00.5Z", **state}}
    found = exit_of(seen, list(lines), oom=oom, unwatched=unwatched)
    return found.code, found.signal, found.oom, found.lost


@pytest.mark.parametrize(
    ("code", "lines", "expected"),
    [
        (0, [], (0, None, False, False)),
        (3, [], (3, None, False, False)),
        (137, [SPAWNED, NORMALLY.format(137)], (137, None, False, False)),
        (137, [SPAWNED, "text" + SIGNALLED.format("Killed")], (None, 9, False, False)),
        (139, [SPAWNED, SIGNALLED.format("Segmentation fault")], (None, 11, False, False)),
        (137, [SPAWNED, "last words"], (None, 9, False, False)),
        (143, [], (143, None, False, False)),
        (255, [NORMALLY.format(255)], (255, None, False, False)),
    ],
)
def test_init_decides_between_a_status_and_a_signal(code, lines, expected):
    assert told(code, *lines) == expected


def test_a_line_that_a_program_printed_itself_does_not_count_against_inits():
    forged = SIGNALLED.format("Killed")
    assert told(137, forged, NORMALLY.format(137)) == (137, None, False, False)
    assert told(3, forged) == (3, None, False, False)
    assert told(200, forged) == (200, None, False, False)


def test_oom_is_told_by_the_engine_or_its_events_and_never_for_a_good_end():
    line = SIGNALLED.format("Killed")
    assert told(137, line, OOMKilled=True) == (None, 9, True, False)
    assert told(137, line, oom=True) == (None, 9, True, False)
    assert told(0, oom=True) == (0, None, False, False)


def test_what_an_engine_says_when_it_does_not_know_is_lost():
    assert told(255, unwatched=True) == (None, None, False, True)
    assert told(255, NORMALLY.format(255), unwatched=True) == (255, None, False, False)
    assert told(3, unwatched=True) == (3, None, False, False)
    assert told(-1) == (None, None, False, True)


def test_what_init_prints_is_not_the_programs():
    assert own_text(SPAWNED) is None
    assert own_text("no line end" + NORMALLY.format(1)) == "no line end"
    assert own_text("") == ""
    assert own_text("[INFO  tini of mine") == "[INFO  tini of mine"
    assert own_text("about tini (1)") == "about tini (1)"


def test_a_program_that_cannot_be_executed_is_told_by_init():
    line = "[FATAL tini (7)] exec ./nothing failed: No such file or directory"
    assert why_not_executed(127, [SPAWNED, line]) == "./nothing: No such file or directory"
    assert why_not_executed(1, [line]) == ""
    assert why_not_executed(127, ["sh: nothing: not found"]) == ""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1970-01-01T00:00:01Z", 1_000_000),
        ("1970-01-01T00:00:01.5Z", 1_500_000),
        ("1970-01-01T01:00:00.000001999+01:00", 1),
        ("0001-01-01T00:00:00Z", 0),
        ("", 0),
        ("soon", 0),
    ],
)
def test_times_of_engines_are_read_to_the_microsecond(text, expected):
    assert microseconds(text) == expected
