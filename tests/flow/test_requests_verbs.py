# SPDX-License-Identifier: Apache-2.0
"""`requests` and `requests dead` from end to end: the command line, a real server, a real agent, its journal."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from homes import MANIFEST, Home, wait_until

_AS_AGENTAINER = "import sys; sys.argv[0] = 'agentainer'; from homeport.cli import main; sys.exit(main())"


def send(home: Home, path: str, body: bytes = b"", key: str = "", agent: str = "agent") -> tuple[int, str]:
    """A POST as a caller sends it: status and request id."""
    token = (home.folder / "config" / "admin-token").read_text().strip()
    headers = {"X-Homeport-Token": token, "Prefer": "wait=20"} | ({"Idempotency-Key": key} if key else {})
    url = f"http://{home.env['HOMEPORT_GATEWAY_LISTEN']}/agent/{agent}{path}"
    call = urllib.request.Request(url, data=body, headers=headers, method="POST")
    try:
        with urllib.request.urlopen(call, timeout=60) as answer:
            return answer.status, answer.headers["X-Homeport-Request-Id"]
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)["id"]


def agentainer(home: Home, *args: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", _AS_AGENTAINER, *args], env=home.env, capture_output=True, text=True, timeout=60,
        stdin=subprocess.DEVNULL, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def ids(found: list[dict[str, Any]]) -> list[str]:
    return [one["id"] for one in found]


@contextmanager
def tailing(home: Home) -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """Gives a call for the lines of `requests tail` so far."""
    out = home.folder.parent / "tail.jsonl"
    with out.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "homeport", "--json", "requests", "tail"], env=home.env | {"PYTHONUNBUFFERED": "1"},
            stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.DEVNULL,
        )  # fmt: skip
    try:
        yield lambda: [json.loads(line) for line in out.read_bytes().rpartition(b"\n")[0].splitlines()]
    finally:
        process.terminate()
        process.wait(30)


def test_every_verb_of_requests_on_a_real_server(home: Home, tmp_path: Path) -> None:
    once = MANIFEST.replace("delivery: at-least-once", "delivery: exact-or-dead")
    home.run("up", str(home.agent(manifest=once)), "--name", "agent")
    home.run("up", str(home.agent("other")), "--name", "other")
    with tailing(home) as lines:
        assert wait_until(lambda: send(home, "/early", agent="other") and lines()), "from when it has connected"
        would = home.json("requests", "clear", "--agent", "other", "--dry-run")["would_remove"]
        assert home.json("requests", "clear", "--agent", "other", "--yes")["removed"] >= would > 0
        fine = send(home, "/fine?x=1", b"hello", key="k1")[1]
        assert wait_until(lambda: fine in ids(lines())), "a request is shown as it comes"
        elsewhere = send(home, "/fine", b"x", agent="other")[1]
        status, dead = send(home, "/crash", b"once")
        assert status == 502
        assert wait_until(lambda: {"completed", "dead"} <= {line["state"] for line in lines()}), "and as it ends"

    assert ids(home.json("requests", "list")) == [dead, elsewhere, fine]
    assert ids(home.json("requests", "list", "--agent", "other")) == [elsewhere]
    assert ids(home.json("requests", "list", "--state", "dead")) == [dead]
    assert ids(home.json("requests", "list", "--key", "k1")) == [fine]
    assert ids(home.json("requests", "list", "--status", "2", "--limit", "1")) == [elsewhere]
    assert ids(home.json("requests", "list", "--after", elsewhere)) == [fine]
    assert "completed" in home.run("requests", "list").stdout

    shown = home.json("requests", "show", fine)
    assert (shown["state"], shown["target"], shown["attempts"]) == ("completed", "/fine?x=1", 1)
    assert base64.b64decode(shown["body"]) == b"hello"
    assert base64.b64decode(shown["response_body"]).endswith(b" /fine?x=1")
    assert (home.folder / "config" / "admin-token").read_text().strip() not in json.dumps(shown)
    missing = home.run("requests", "show", "req_none", check=False)
    assert missing.returncode == 2 and "no such request" in missing.stderr

    assert ids(home.json("requests", "dead", "list")) == [dead]
    assert "outcome unknown" in home.json("requests", "dead", "show", dead)["outcome"]
    assert wait_until(lambda: home.json("inspect", "agent")["state"] == "running", 30)
    home.run("requests", "dead", "replay", dead, "--yes")
    assert wait_until(lambda: home.json("requests", "show", dead)["attempts"] == 2)
    assert wait_until(lambda: home.json("requests", "show", dead)["state"] == "dead"), "it kills its agent each time"

    home.run("requests", "replay", fine)
    assert wait_until(lambda: home.json("requests", "show", fine)["attempts"] == 2, 30)
    assert wait_until(lambda: home.json("requests", "show", fine)["state"] == "completed", 30)

    file = tmp_path / "requests.jsonl"
    home.run("requests", "export", "-o", str(file), "--bodies")
    exported = [json.loads(line) for line in file.read_text().splitlines()]
    assert ids(exported) == [fine, elsewhere, dead], "oldest first"
    assert base64.b64decode(exported[0]["body"]) == b"hello"
    assert home.run("requests", "export", "-o", str(file), check=False).returncode != 0, "nothing is written over"

    assert agentainer(home, "requests", "agent", "list").count("\n") >= 2
    assert json.loads(agentainer(home, "requests", "other", "list", "--json"))[0]["id"] == elsewhere
    assert json.loads(agentainer(home, "requests", "other", "show", elsewhere, "--json"))["state"] == "completed"
    agentainer(home, "requests", "other", "replay", elsewhere)
    assert wait_until(lambda: home.json("requests", "show", elsewhere)["state"] == "completed", 30)
    agentainer(home, "requests", "other", "clear", "--yes")
    assert ids(home.json("requests", "list")) == [dead, fine]

    home.run("requests", "dead", "drop", dead, "--yes")
    assert home.json("requests", "dead", "list") == []
    home.run("requests", "clear", "--yes")
    assert home.json("requests", "list") == []
    actions = {entry["action"] for entry in home.json("audit", "list", "--limit", "1000")}
    assert {"requests.bodies", "requests.export", "requests.write"} <= actions, "who read and changed them is on record"
