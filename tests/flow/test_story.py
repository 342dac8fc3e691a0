# SPDX-License-Identifier: Apache-2.0
"""The main job with nothing faked: a folder becomes a running agent behind a durable gateway that survives a crash."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
import urllib.error
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from homes import AGENT, Home, wait_until

pytestmark = pytest.mark.timeout(180)


def test_a_folder_becomes_an_agent_that_answers_with_a_token_and_not_without(home: Home) -> None:
    done = home.run("up", str(home.agent()), "--name", "agent")
    assert "homeport.yaml:1" in done.stderr and "agent is running" in done.stdout
    assert home.ask("/hello")[:2] == (200, "2 /hello"), "pid 2 in its own namespace: confined"
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(f"http://{home.env['HOMEPORT_GATEWAY_LISTEN']}/agent/agent/hello", timeout=10)
    assert refused.value.code == 401
    refused.value.close()


def test_a_request_whose_agent_is_killed_in_the_middle_is_answered_after_the_restart(home: Home) -> None:
    home.run("up", str(home.agent()), "--name", "agent")
    pid = home.agent_pid()
    with ThreadPoolExecutor() as pool:
        answer = pool.submit(home.ask, "/slow?2", method="POST")
        ledger = next(iter((home.folder / "state" / "agents").glob("agt_*/data"))) / "ledger"
        assert wait_until(ledger.exists)
        os.kill(pid, signal.SIGKILL)
        status, body, request_id = answer.result(timeout=60)
    assert (status, body.split()[1]) == (200, "/slow?2")
    assert ledger.read_text() == "began\n" * 2, "declared at-least-once: sent again, once"
    assert home.events("agent.exited") == ["killed by signal 9 (SIGKILL)"]
    request = home.json("requests", "show", request_id)
    assert request["state"] == "completed"
    assert request["attempts"] >= 2, "more where a try reached the sandbox after its program had died"


def test_a_stopped_agent_answers_later(home: Home) -> None:
    home.run("up", str(home.agent()), "--name", "agent")
    home.run("stop", "agent")
    status, body, _ = home.ask("/later", wait=0)
    accepted = json.loads(body)
    assert status == 202 and accepted["status"] == "pending"
    home.run("start", "agent")
    assert wait_until(lambda: home.json("requests", "show", accepted["id"])["state"] == "completed")


@pytest.mark.parametrize("victim", ["gateway", "server"])
def test_kill_9_of_gateway_or_server_loses_no_agent_and_no_request(home: Home, victim: str) -> None:
    home.run("up", str(home.agent()), "--name", "agent")
    before = home.agent_pid()
    with ThreadPoolExecutor() as pool:
        slow = [pool.submit(home.ask, "/slow?1", method="POST") for _ in range(4)]
        time.sleep(0.3)
        home.kill(f"homeport.serve.{victim}")
        results = [future.exception(timeout=60) or future.result()[0] for future in slow]
    if victim == "server":
        assert results == [200] * 4, "the data plane does not need the control plane"
    assert home.ask("/after")[0] == 200
    assert wait_until(lambda: all(r["state"] == "completed" for r in home.json("requests", "list")))
    assert len(home.json("requests", "list")) == 5
    assert home.agent_pid() == before, "the agent was never touched"


def test_an_exit_while_the_server_is_dead_keeps_its_true_cause(home: Home) -> None:
    home.run("up", str(home.agent()), "--name", "agent")
    pid = home.agent_pid()
    home.kill("homeport.serve.server")
    os.kill(pid, signal.SIGSEGV)
    assert wait_until(lambda: home.events("agent.exited") == ["killed by signal 11 (SIGSEGV)"])
    assert wait_until(lambda: home.json("inspect", "agent")["state"] == "running")


def test_kill_9_of_the_keeper_ends_everything_and_the_next_start_brings_it_back(home: Home) -> None:
    home.run("up", str(home.agent()), "--name", "agent")
    home.run("stop", "agent")
    accepted = json.loads(home.ask("/kept", wait=0)[1])["id"]
    home.run("start", "agent")
    assert wait_until(lambda: home.json("requests", "show", accepted)["state"] == "completed")
    home.kill("homeport.serve.keeper")
    assert wait_until(lambda: not home.pids("homeport.serve"))
    home.run("serve", "--detach")
    assert wait_until(lambda: home.json("inspect", "agent")["state"] == "running")
    assert "not observed" in home.events("agent.exited")[-1], "nobody saw how it ended, and no cause is made up"
    assert home.ask("/again")[0] == 200 and home.json("requests", "show", accepted)["state"] == "completed"


def test_removing_an_agent_leaves_no_folder_log_or_machine(home: Home) -> None:
    home.run("up", str(home.agent()), "--name", "agent")
    home.run("remove", "agent", "--yes")
    assert home.json("list") == [] and list((home.folder / "state" / "agents").iterdir()) == []
    assert not list((home.folder / "state" / "logs").glob("agt_*"))
    assert "local-" not in (home.folder / "state" / "local-machines.json").read_text()
    with pytest.raises(urllib.error.HTTPError) as gone:
        home.ask("/x")
    assert gone.value.code == 404
    gone.value.close()


def test_two_ups_at_once_end_with_one_agent(home: Home) -> None:
    folder = str(home.agent())
    both = [home.spawn("up", folder, "--name", "agent") for _ in range(2)]
    for process in both:
        _, said = process.communicate(timeout=90)
        assert process.returncode == 0, said
    assert len(home.json("list")) == 1 and home.ask("/x")[0] == 200
    assert len(list((home.folder / "state" / "agents").iterdir())) == 1


def test_the_same_up_again_changes_nothing(home: Home) -> None:
    folder = str(home.agent())
    home.run("up", folder, "--name", "agent")
    before = home.agent_pid()
    home.run("up", folder, "--name", "agent")
    assert home.agent_pid() == before


def test_a_changed_source_needs_replace_and_a_bad_replacement_gives_the_old_one_back(home: Home) -> None:
    folder = home.agent()
    home.run("up", str(folder), "--name", "agent")
    (folder / "main.py").write_text("raise SystemExit(3)")
    assert "--replace" in home.run("up", str(folder), "--name", "agent", check=False).stderr
    failed = home.run("up", str(folder), "--name", "agent", "--replace", check=False)
    assert failed.returncode == 5 and "exited with status 3" in failed.stderr
    assert wait_until(lambda: home.json("inspect", "agent")["state"] == "running")
    assert home.ask("/old")[0] == 200
    codes = [f.name for f in next((home.folder / "state" / "agents").iterdir()).glob("code-*")]
    assert len(codes) == 1, codes


def test_ctrl_c_undoes_what_was_done(home: Home) -> None:
    process = home.spawn("up", str(home.agent()), "--name", "agent", "-e", "START_DELAY=30")
    assert wait_until(lambda: any("main.py" in command for command in home.pids("main.py").values()), 30)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert home.json("list") == [] and list((home.folder / "state" / "agents").iterdir()) == []


def test_an_agent_over_its_memory_limit_is_said_to_have_been_killed_for_that(home: Home) -> None:
    code = (
        "import http.server, os, threading\n"
        "def eat():\n    import time; time.sleep(1); x = []\n    while True: x.append(bytearray(8 << 20))\n"
        "class H(http.server.BaseHTTPRequestHandler):\n"
        "    def do_GET(self): self.send_response(200); self.end_headers()\n"
        "threading.Thread(target=eat, daemon=True).start()\n"
        "http.server.HTTPServer(('127.0.0.1', int(os.environ['PORT'])), H).serve_forever()\n"
    )
    manifest = "start: python main.py\nport: 8000\nhealth: /health\nmemory: 64Mi\n"
    home.run("up", str(home.agent(manifest=manifest, code=code)), "--name", "agent")
    if "memory limit" not in " ".join(home.json("status")["confinement"]["enforced"]):
        pytest.skip("no memory cgroup that we may write on this machine")
    assert wait_until(lambda: bool(home.events("agent.exited")))
    assert home.events("agent.exited")[0] == "killed by the kernel: memory limit reached (OOM)"


def test_a_git_repository_runs_at_its_commit_whatever_lies_in_the_working_tree(home: Home, tmp_path: Path) -> None:
    folder = home.agent()
    git = ["git", "-c", "user.name=t", "-c", "user.email=t@example.org", "-C", str(folder)]
    for args in (["init", "-q", "-b", "main"], ["add", "."], ["commit", "-q", "-m", "x"]):
        subprocess.run([*git, *args], check=True)
    (folder / "main.py").write_text("raise SystemExit(9)")
    home.run("up", str(folder), "--name", "agent")
    assert home.ask("/x")[0] == 200


def test_a_sealed_secret_reaches_the_agent_that_was_given_it_and_no_record(home: Home) -> None:
    code = AGENT.replace('f"{os.getpid()} {self.path}"', 'str(os.environ.get("API_KEY"))')
    code = code.replace('print("request", self.path', 'print("key is", os.environ.get("API_KEY")')
    folder = str(home.agent(code=code))
    home.run("serve", "--detach")
    refused = home.run("up", folder, "--name", "agent", "--secret", "API_KEY", check=False)
    assert refused.returncode == 2 and "homeport secret set API_KEY" in refused.stderr
    home.run("secret", "set", "API_KEY", stdin="sesame-open-4711")
    home.run("up", folder, "--name", "agent", "--secret", "API_KEY")
    assert home.ask("/x")[1] == "sesame-open-4711"
    home.run("up", str(home.agent("other", code=code)), "--name", "other")
    assert home.ask("/x", name="other")[1] == "None", "nobody gave it to this one"
    home.ask("/print")
    shown = home.run("logs", "agent").stdout
    assert "key is" in shown and "sesame-open-4711" not in shown
    held = [f for f in home.folder.rglob("*") if f.is_file() and b"sesame-open-4711" in f.read_bytes()]
    kept = {"journal.db", "journal.db-wal", "current.log"}  # what the agent itself answered and printed
    assert {file.name for file in held} <= kept, held
