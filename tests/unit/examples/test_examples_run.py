# SPDX-License-Identifier: Apache-2.0
"""Each example is started as its README says, asked, and stopped."""

from __future__ import annotations

import filecmp
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from homeport.drivers.fetchers.template.fetcher import SHIPPED

EXAMPLES = Path(__file__).parents[3] / "examples"


class Running:
    def __init__(self, process: subprocess.Popen[bytes], port: int) -> None:
        self.process, self.port = process, port

    def ask(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> tuple[int, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
            connection.request(method, path, data, headers or {})
            response = connection.getresponse()
            return response.status, json.loads(response.read())
        finally:
            connection.close()

    def stop(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(30)


@contextmanager
def running(name: str, argv: list[str], data: Path) -> Iterator[Running]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    env = {"PATH": os.environ["PATH"], "PORT": str(port), "HOMEPORT_DATA": str(data), "PYTHONDONTWRITEBYTECODE": "1"}
    log = data.parent / "log"
    with log.open("wb") as out:
        process = subprocess.Popen(argv, cwd=EXAMPLES / name, env=env, stdout=out, stderr=out)
    try:
        agent = Running(process, port)
        deadline = time.monotonic() + 30
        while True:
            try:
                assert agent.ask("GET", "/health")[0] == 200
                break
            except ConnectionError:
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < deadline, log.read_text()
                time.sleep(0.02)
        yield agent
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


def python(name: str, data: Path) -> Any:
    return running(name, [sys.executable, "main.py"], data)


class TestNotesAgent:
    def test_finds_the_note_that_fits_best(self, data: Path) -> None:
        with python("notes-agent", data) as agent:
            for text in ("Marta keeps the harbour keys.", "The ferry leaves at nine.", "The harbour crane is fine."):
                assert agent.ask("POST", "/notes", {"text": text})[0] == 201
            status, found = agent.ask("GET", "/search?q=harbour+keys")
        assert status == 200
        assert [hit["text"] for hit in found["hits"]] == ["Marta keeps the harbour keys.", "The harbour crane is fine."]

    def test_the_same_note_twice_is_one_note(self, data: Path) -> None:
        with python("notes-agent", data) as agent:
            first = agent.ask("POST", "/notes", {"text": "once"})
            assert agent.ask("POST", "/notes", {"text": "once"}) == first
            assert agent.ask("GET", "/health")[1]["notes"] == 1

    def test_notes_survive_a_kill(self, data: Path) -> None:
        with python("notes-agent", data) as agent:
            note = agent.ask("POST", "/notes", {"text": "remember me"})[1]
            assert agent.stop(signal.SIGKILL) == -signal.SIGKILL
        with python("notes-agent", data) as agent:
            assert agent.ask("GET", f"/notes/{note['id']}") == (200, note)

    def test_a_summary_is_made_of_the_text_s_own_sentences(self, data: Path) -> None:
        text = "The ferry is late. The ferry waits for the tide. Lunch was good. The tide turns at noon for the ferry."
        with python("notes-agent", data) as agent:
            summary = agent.ask("POST", "/summarize", {"text": text})[1]["summary"]
        assert summary == "The ferry waits for the tide. The tide turns at noon for the ferry."

    def test_wrong_requests_are_answered_not_crashed_on(self, data: Path) -> None:
        with python("notes-agent", data) as agent:
            for body in (b"{", b"[]", b"[" * 100_000, {"text": ""}, {"text": 3}, {}):
                assert agent.ask("POST", "/notes", body)[0] == 400
            assert agent.ask("POST", "/summarize?delay=never", {"text": "a"})[0] == 400
            assert agent.ask("POST", "/summarize?delay=nan", {"text": "a"})[0] == 400
            assert agent.ask("GET", "/notes/../../etc/passwd")[0] == 404
            assert agent.ask("GET", "/health")[0] == 200

    def test_sigterm_ends_it_with_status_0(self, data: Path) -> None:
        with python("notes-agent", data) as agent:
            assert agent.stop() == 0


class TestKeyedLedger:
    def test_a_key_is_booked_once_even_after_a_kill(self, data: Path) -> None:
        key = {"Idempotency-Key": "order-17"}
        with python("keyed-ledger", data) as agent:
            status, entry = agent.ask("POST", "/entries", {"amount": 5}, key)
            assert status == 201
            assert agent.stop(signal.SIGKILL) == -signal.SIGKILL
        with python("keyed-ledger", data) as agent:
            assert agent.ask("POST", "/entries", {"amount": 5}, key) == (200, entry)
            assert agent.ask("POST", "/entries", {"amount": 6}, key)[0] == 422
            assert agent.ask("GET", "/balance")[1] == {"balance": 5, "entries": 1}
            assert agent.stop() == 0

    def test_a_line_torn_by_a_power_cut_is_not_booked(self, data: Path) -> None:
        data.mkdir()
        whole = '{"key": "a", "amount": 2, "balance": 2}\n'
        (data / "ledger.jsonl").write_text(whole + '{"key": "b", "amo')
        with python("keyed-ledger", data) as agent:
            assert agent.ask("GET", "/balance")[1] == {"balance": 2, "entries": 1}
            assert agent.ask("POST", "/entries", {"amount": 3}, {"Idempotency-Key": "b"})[0] == 201
        assert (data / "ledger.jsonl").read_text().startswith(whole)

    def test_an_entry_without_a_key_is_refused(self, data: Path) -> None:
        with python("keyed-ledger", data) as agent:
            assert agent.ask("POST", "/entries", {"amount": 5})[0] == 400
            assert agent.ask("POST", "/entries", {"amount": True}, {"Idempotency-Key": "k"})[0] == 400


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed (apt-get install nodejs)")
class TestEchoNode:
    def test_says_back_what_it_was_asked_and_stops_in_order(self, data: Path) -> None:
        data.mkdir()
        with running("echo-node", ["node", "server.js"], data) as agent:
            status, answer = agent.ask("POST", "/a/b?c=d", b"hello")
            assert (status, answer["method"], answer["path"], answer["body"]) == (200, "POST", "/a/b?c=d", "hello")
            assert agent.ask("POST", "/", b"x" * (1 << 20) + b"y")[0] == 413
            assert agent.stop() == 0


def test_the_example_and_the_template_of_the_same_name_are_the_same() -> None:
    example, template = EXAMPLES / "notes-agent", SHIPPED / "notes-agent" / "files"
    same = filecmp.dircmp(example, template)
    assert (same.left_only, same.right_only, same.diff_files, same.subdirs) == ([], [], [], {})
