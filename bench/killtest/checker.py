# SPDX-License-Identifier: Apache-2.0
"""What clients were promised against what agents executed. Pure: two lists of lines in, a verdict out.

A client's lines, by `event`:
- `sent`: job, once (it must not be executed twice), size and crc of its body
- `answered`: job, whole answer as its framing says it; n is the agent's execution number, got and wanted are what
  came and what a whole answer has (bytes, or events of a stream, or messages of a WebSocket closed with 1000)
- `promised`: job, request: the gateway gave it an id, with 202, or with 502 as a dead letter
- `settled`: request, state: what the gateway said of that id in the end; n, got and wanted where it gave the answer

An agent's lines, one an execution: agent, n, job, size, crc.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

Line = Mapping[str, Any]
SEEN_BY_A_PERSON = frozenset({"dead"})


@dataclass
class Verdict:
    """Each defect as a sentence. `requests` were sent, `promised` of them as an id, `answered` as a whole answer."""

    requests: int = 0
    answered: int = 0
    promised: int = 0
    dead: int = 0
    executed: int = 0
    lost: list[str] = field(default_factory=list)
    duplicated: list[str] = field(default_factory=list)
    cut_as_clean: list[str] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        return not (self.lost or self.duplicated or self.cut_as_clean or self.damaged)


def check(clients: Iterable[Line], agents: Iterable[Line]) -> Verdict:
    verdict = Verdict()
    executed: dict[str, list[Line]] = defaultdict(list)
    for line in agents:
        executed[line["job"]].append(line)
        verdict.executed += 1
    sent: dict[str, Line] = {}
    promised: dict[str, str] = {}
    settled: dict[str, Line] = {}
    for line in clients:
        event = line["event"]
        if event == "sent":
            sent[line["job"]] = line
        elif event == "answered":
            verdict.answered += 1
            _answered(line, executed, verdict)
        elif event == "promised":
            promised[line["request"]] = line["job"]
        elif event == "settled":
            settled[line["request"]] = line
    verdict.requests, verdict.promised = len(sent), len(promised)
    for request, job in promised.items():
        _promised(request, job, settled.get(request), executed, verdict)
    for job, line in sent.items():
        _executed(line, executed[job], verdict)
    for job in executed.keys() - sent.keys():
        verdict.damaged.append(f"{job} was executed, and nobody sent it")
    return verdict


def _answered(line: Line, executed: Mapping[str, list[Line]], verdict: Verdict) -> None:
    job = line["job"]
    if line["got"] != line["wanted"]:
        verdict.cut_as_clean.append(f"{job}: {line['got']} of {line['wanted']} came, and it ended as if it were whole")
    elif line["n"] not in {done["n"] for done in executed.get(job, ())}:
        verdict.lost.append(f"{job} was answered as execution {line['n']}, which its agent does not know")


def _promised(request: str, job: str, line: Line | None, executed: Mapping[str, list[Line]], verdict: Verdict) -> None:
    done = {one["n"] for one in executed.get(job, ())}
    if line is None or line["state"] not in SEEN_BY_A_PERSON | {"completed"}:
        state = "nobody knows it" if line is None else f"it is {line['state'] or 'gone'}"
        verdict.lost.append(f"{job} was promised as {request}, and in the end {state}")
    elif line["state"] == "completed" and line["n"] not in done:
        verdict.lost.append(f"{job} was promised as {request} and is said to be completed, and was never executed")
    elif line["state"] == "completed" and line["got"] != line["wanted"]:
        verdict.cut_as_clean.append(f"{job}: {line['got']} of {line['wanted']} were kept of its answer")
    elif line["state"] in SEEN_BY_A_PERSON:
        verdict.dead += 1


def _executed(sent: Line, done: list[Line], verdict: Verdict) -> None:
    if sent["once"] and len(done) > 1:
        times = ", ".join(f"{one['agent']}:{one['n']}" for one in done)
        verdict.duplicated.append(f"{sent['job']} was executed {len(done)} times ({times})")
    for one in done:
        if (one["size"], one["crc"]) != (sent["size"], sent["crc"]):
            verdict.damaged.append(f"{sent['job']} was executed with another body than was sent")
