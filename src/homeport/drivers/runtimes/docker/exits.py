# SPDX-License-Identifier: Apache-2.0
"""Why a container ended, from what the engine and its init say: nothing is made up.

To an engine a program that was killed by signal N and one that exited with status 128+N are the same. Its init tells
them apart on the last line it prints (`INIT_VERBOSITY`): that line decides, where there is one. Without it status 137
is SIGKILL to all of the container, because that alone ends the init before it can print; other statuses are taken as
they are.
"""

from __future__ import annotations

import re
import signal
from datetime import UTC, datetime
from typing import Any

from homeport.model.agent import Exit

INIT_LINE = re.compile(r"\[(?:INFO |WARN |FATAL|DEBUG|TRACE) ? ?tini \(\d+\)\] .*$")
_NORMALLY = re.compile(r"\[INFO  tini \(1\)\] Main child exited normally \(with status '(\d+)'\)$")
_SIGNALLED = re.compile(r"\[INFO  tini \(1\)\] Main child exited with signal \(with signal '(.+)'\)$")
_REFUSED = re.compile(r"\[FATAL tini \(\d+\)\] exec (.*) failed: (.*)$")
_NAMES = {signal.strsignal(number): int(number) for number in signal.valid_signals()}
NOT_EXECUTED = (126, 127)
_UNKNOWN = 255


def own_text(text: str) -> str | None:
    """A log line without what init printed on it; None when nothing else is."""
    if "tini (" not in text:
        return text
    left = INIT_LINE.sub("", text)
    return left if left or left == text else None


def why_not_executed(code: int, lines: list[str]) -> str:
    """What kept init from executing the program; "" when it was executed."""
    if code not in NOT_EXECUTED:
        return ""
    for line in lines:
        if match := _REFUSED.search(line):
            return f"{match[1]}: {match[2]}"
    return ""


def exit_of(seen: dict[str, Any], last: list[str], *, oom: bool, unwatched: bool) -> Exit:
    """`seen` is the engine's inspection of an ended container, `last` its last lines of output, oldest first.

    `oom`: the engine told of an OOM kill in it. `unwatched`: it ended while nobody listened. An engine that comes back
    and cannot learn how it ended says 255: unless init confirms that, the exit is lost.
    """
    state = seen["State"]
    at_us = microseconds(state.get("FinishedAt", ""))
    oom = oom or bool(state.get("OOMKilled"))
    code = int(state.get("ExitCode", 0))
    for line in reversed(last):
        if match := _NORMALLY.search(line):
            status = int(match[1])
            if status == code:
                return Exit(at_us, code=status, oom=oom and status != 0)
        elif (match := _SIGNALLED.search(line)) and (number := _NAMES.get(match[1])) and code == 128 + number:
            return Exit(at_us, signal=number, oom=oom)
    if code < 0 or (unwatched and code == _UNKNOWN):
        return Exit(at_us, lost=True)
    if code == 128 + signal.SIGKILL:
        return Exit(at_us, signal=int(signal.SIGKILL), oom=oom)
    return Exit(at_us, code=code, oom=oom and code != 0)


def microseconds(text: str) -> int:
    """Of an engine's RFC 3339 time with up to nine decimals; 0 for none."""
    match = re.fullmatch(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)", text)
    if not match or match[1].startswith("0001-"):
        return 0
    zone = "+00:00" if match[3] == "Z" else match[3]
    seconds = int(datetime.fromisoformat(match[1] + zone).astimezone(UTC).timestamp())
    return seconds * 1_000_000 + int((match[2] or "0").ljust(9, "0")[:6])
