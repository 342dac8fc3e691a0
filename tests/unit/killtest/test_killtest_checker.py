# SPDX-License-Identifier: Apache-2.0
"""The judge of the killtest is judged: ledgers with one planted defect each, and a clean one."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from random import Random
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT))
from bench.killtest import home, report  # noqa: E402
from bench.killtest.checker import check  # noqa: E402
from bench.killtest.jobs import job  # noqa: E402
from bench.killtest.ledger import Ledger, read  # noqa: E402
from bench.killtest.traffic import content  # noqa: E402

Lines = list[dict[str, Any]]


def ledgers() -> tuple[Lines, Lines]:
    """Four requests, kept in every way a promise can be kept."""
    clients: Lines = [
        {"event": "sent", "job": name, "once": name != "get", "size": 3, "crc": 7}
        for name in ("direct", "later", "unknown", "get", "stream")
    ]
    clients += [
        {"event": "answered", "job": "direct", "n": 1, "got": 0, "wanted": 0},
        {"event": "promised", "job": "later", "request": "req_2", "status": 202},
        {"event": "settled", "job": "later", "request": "req_2", "state": "completed", "n": 2, "got": 5, "wanted": 5},
        {"event": "promised", "job": "unknown", "request": "req_3", "status": 502},
        {"event": "settled", "job": "unknown", "request": "req_3", "state": "dead"},
        {"event": "answered", "job": "stream", "n": 5, "got": 9, "wanted": 9},
    ]
    agents = [
        {"agent": "a", "n": n, "job": name, "size": 3, "crc": 7}
        for n, name in ((1, "direct"), (2, "later"), (3, "get"), (4, "get"), (5, "stream"))
    ]
    return clients, agents


def test_kept_promises_are_no_defects_and_a_repeat_of_what_may_repeat_is_none() -> None:
    verdict = check(*ledgers())
    assert verdict.clean
    assert (verdict.requests, verdict.answered, verdict.promised, verdict.dead, verdict.executed) == (5, 2, 2, 1, 5)


@pytest.mark.parametrize("missing", [1, 2, 5], ids=["answered", "promised", "streamed"])
def test_an_execution_missing_from_the_agents_ledger_is_a_lost_request(missing: int) -> None:
    clients, agents = ledgers()
    verdict = check(clients, [line for line in agents if line["n"] != missing])
    assert (len(verdict.lost), len(verdict.duplicated)) == (1, 0)


def test_a_second_execution_is_found() -> None:
    clients, agents = ledgers()
    verdict = check(clients, [*agents, {**agents[0], "n": 6}])
    assert verdict.duplicated == ["direct was executed 2 times (a:1, a:6)"]


def test_a_second_execution_of_what_the_caller_never_heard_of_is_found_too() -> None:
    clients, agents = ledgers()
    clients.append({"event": "sent", "job": "cut", "once": True, "size": 0, "crc": 0})
    once = {"agent": "a", "n": 6, "job": "cut", "size": 0, "crc": 0}
    assert check(clients, [*agents, once]).clean
    assert len(check(clients, [*agents, once, {**once, "n": 7}]).duplicated) == 1


def test_a_stream_that_ended_early_and_looked_whole_is_found() -> None:
    clients, agents = ledgers()
    clients[-1]["got"] = 8
    assert check(clients, agents).cut_as_clean == ["stream: 8 of 9 came, and it ended as if it were whole"]


def test_a_kept_answer_of_which_a_part_is_missing_is_found() -> None:
    clients, agents = ledgers()
    next(line for line in clients if line.get("state") == "completed")["got"] = 4
    assert len(check(clients, agents).cut_as_clean) == 1


@pytest.mark.parametrize("state", ["", "pending", "in_flight", "failed"])
def test_a_promise_that_is_neither_kept_nor_a_dead_letter_is_lost(state: str) -> None:
    clients, agents = ledgers()
    next(line for line in clients if line.get("state") == "dead")["state"] = state
    assert len(check(clients, agents).lost) == 1


def test_a_promise_nobody_could_ask_for_is_lost() -> None:
    clients, agents = ledgers()
    assert len(check([line for line in clients if line["event"] != "settled"], agents).lost) == 2


def test_another_body_than_was_sent_and_a_job_of_nobody_are_damage() -> None:
    clients, agents = ledgers()
    agents[0]["crc"] = 8
    verdict = check(clients, [*agents, {**agents[0], "job": "stranger"}])
    assert len(verdict.damaged) == 2


def test_half_a_line_of_a_killed_writer_counts_as_not_written_and_hides_nothing(tmp_path) -> None:
    path = tmp_path / "ledger"
    first = Ledger(str(path), sync=True)
    first.write(n=1)
    first.close()
    with path.open("ab") as file:
        file.write(b'{"n":2,"jo')
    second = Ledger(str(path), sync=True)
    second.write(n=3)
    second.close()
    assert [line["n"] for line in read(path)] == [1, 3]


def test_the_same_seed_is_the_same_traffic() -> None:
    def told(seed: str) -> list[str]:
        chance = Random(seed)
        return [repr(job(f"{n}", chance)) for n in range(200)]

    assert told("one") == told("one") != told("two")
    kinds = {job(f"{n}", Random(n)).kind for n in range(500)}
    assert len(kinds) == 12


def test_an_answer_to_somebody_else_is_no_answer() -> None:
    what = next(found for n in range(100) if not (found := job(f"{n}", Random(n))).stream)
    other = json.dumps({"job": "another", "n": 4}).encode()
    assert content(what, other + b"\nabc") == (0, 3)
    assert content(what, b"junk") == (0, 0)


def test_runs_add_up_and_keep_their_seeds_and_defects() -> None:
    one = {"kills": 2, "killed": {"agent": 2}, "seconds": 1.5, "seeds": ["a"], "defects": ["x"], "commit": "c"}
    two = {"kills": 3, "killed": {"agent": 3}, "seconds": 2.0, "seeds": ["b"], "defects": [], "commit": "c"}
    whole = {"kills": 5, "killed": {"agent": 5}, "seconds": 3.5, "seeds": ["a", "b"], "defects": ["x"], "commit": "c"}
    assert report.add(one, two) == whole
    assert report.add({}, one) == one


def test_runs_of_two_commits_do_not_add_up(tmp_path) -> None:
    file = tmp_path / "killtest.json"
    file.write_text(json.dumps({"commit": "another"}))
    with pytest.raises(SystemExit, match="no one proof"):
        report.earlier(file)


@pytest.mark.parametrize("text", ["", "[1]", "{}", "nothing"])
def test_a_file_that_is_no_result_is_refused_before_anything_is_killed(tmp_path, text: str) -> None:
    file = tmp_path / "killtest.json"
    file.write_text(text)
    with pytest.raises(SystemExit, match="no result of the killtest"):
        report.earlier(file)
    with pytest.raises(SystemExit, match="no folder"):
        report.earlier(tmp_path / "away" / "killtest.json")


async def test_an_agent_executes_a_key_once_in_all_its_lives(tmp_path) -> None:
    async def ask(path: Path) -> bytes:
        while True:
            try:
                reader, writer = await asyncio.open_unix_connection(path)
                break
            except OSError:
                await asyncio.sleep(0.01)
        writer.write(b"POST /do/job?before=0&after=0 HTTP/1.1\r\nIdempotency-Key: k\r\nContent-Length: 1\r\n\r\nx")
        head = await reader.readuntil(b"\r\n\r\n")
        writer.close()
        assert head.startswith(b"HTTP/1.1 200 OK")
        return head

    ledger = tmp_path / "ledger"
    for life in ("one", "two"):
        path = tmp_path / life
        argv = [sys.executable, "-S", "-E", "-s", str(home.PROGRAM), str(path), str(ledger), "keys", "keys"]
        child = home.started(argv)
        try:
            await asyncio.gather(ask(path), ask(path))
        finally:
            child.kill()
            child.wait()
    assert [line["job"] for line in read(ledger)] == ["job"]


async def test_an_agent_does_not_execute_half_a_request(tmp_path) -> None:
    path, ledger = tmp_path / "socket", tmp_path / "ledger"
    child = home.started([sys.executable, "-S", "-E", "-s", str(home.PROGRAM), str(path), str(ledger), "exact"])
    try:
        while not await home._answers(path):
            await asyncio.sleep(0.01)
        reader, writer = await asyncio.open_unix_connection(path)
        writer.write(b"POST /do/job?before=0&after=0 HTTP/1.1\r\nContent-Length: 9\r\n\r\nhalf")
        writer.write_eof()
        assert await reader.read() == b""
        writer.close()
    finally:
        child.kill()
        child.wait()
    assert list(read(ledger)) == []


def test_nothing_to_do_is_refused_in_words() -> None:
    argv = [sys.executable, "-m", "bench.killtest", "--kills", "0"]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "must be more than nothing" in done.stderr
