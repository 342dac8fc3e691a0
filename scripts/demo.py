# SPDX-License-Identifier: Apache-2.0
"""The story of `make demo`: from a repository to a running agent that is killed in the middle of a request and
still answers it. `python scripts/demo.py [SOURCE]`

Everything shown is what the `homeport` command says; what is not as promised ends the demo with 1.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
import processes
from clean import clean
from terminal import BOLD, GREEN, RED, Acts, DemoFailed, Homeport, last_lines, paint, say, until, until_said

CHECKOUT = Path(__file__).resolve().parent.parent
HOME = CHECKOUT / ".demo"
PROGRAM = CHECKOUT / ".venv" / "bin" / "homeport"
EXAMPLE = CHECKOUT / "examples" / "notes-agent"
NOTES = (
    "The ferry to the island leaves at nine, and at two in the afternoon.",
    "Marta keeps the keys of the harbour office until Friday.",
    "The harbour crane is inspected every spring; the last inspection found nothing.",
)
SLOW_S = 2


def main(argv: list[str]) -> int:
    given = argv[0] if argv and argv[0] else ""
    acts = Acts()
    try:
        tell(given, acts)
    except DemoFailed as error:
        acts.end()
        print(paint(f"\ndemo failed: {error}", RED), file=sys.stderr)
        if lines := last_lines(sorted((HOME / "state" / "logs").rglob("*.log")), 20):
            print(lines, file=sys.stderr)
        if HOME.exists():
            print("\nthe state is kept in .demo; `make clean` stops what runs and removes it", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\ninterrupted; `make clean` stops what runs and removes it", file=sys.stderr)
        return 130
    return 0


def tell(given: str, acts: Acts) -> None:
    if HOME.exists():
        say("an earlier demo is still there: cleaning up first")
        if left := clean(HOME):
            raise DemoFailed("it could not be removed:\n" + "\n".join(left))
    acts.restart()
    homeport = Homeport(PROGRAM, HOME, free_ports())

    acts.begin("A repository")
    source = given or str(make_repository(HOME / "notes-agent"))
    say(f"{source}" + ("" if given else "  (examples/notes-agent, made a Git repository just now)"))

    acts.begin("homeport up: what was concluded, the plan, the agent")
    said = homeport.live("up", source, "--yes")
    if not given and "homeport.yaml:" not in said:
        raise DemoFailed("`homeport up` did not name the file and line of its conclusions")
    name = the_agent(homeport)

    acts.begin("What keeps the agent in")
    show_confinement(homeport.ask("status")["runtimes"][homeport.ask("inspect", name)["workload"]["runtime"]])

    acts.begin("A request")
    (ask_example if not given else ask_any)(homeport, name)

    if given:
        acts.begin("The agent is killed (SIGKILL), then asked again")
        kill_and_ask_again(homeport, name)
    else:
        acts.begin(f"The agent is killed (SIGKILL) in the middle of a request that takes {SLOW_S} s")
        kill_in_flight(homeport, name)

    acts.begin("Why it was restarted")
    show_events(homeport, name)
    acts.end()
    finish(homeport, name, acts)


def make_repository(folder: Path) -> Path:
    """A copy of the example with one commit. Raises `DemoFailed` when git does."""
    shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns("__pycache__", "data"))
    env = os.environ | {"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull}
    identity = ["-c", "user.name=demo", "-c", "user.email=demo@localhost", "-c", "init.defaultBranch=main"]
    for words in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "notes-agent"]):
        argv = ["git", *identity, *words]
        done = subprocess.run(argv, cwd=folder, env=env, capture_output=True, text=True, check=False)
        if done.returncode:
            raise DemoFailed(f"git {words[0]}: {done.stderr.strip()}")
    return folder


def free_ports() -> tuple[int, int]:
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as two:
        return one.getsockname()[1], two.getsockname()[1]


def the_agent(homeport: Homeport) -> str:
    agents = homeport.ask("list")
    if len(agents) != 1 or agents[0]["status"] != "running":
        raise DemoFailed(f"expected one running agent, found {[(a['name'], a['status']) for a in agents]}")
    return str(agents[0]["name"])


def show_confinement(walls: dict[str, Any]) -> None:
    say(f"level: {walls['level']}")
    for wall in walls["enforced"]:
        say(f"  ✔ {wall}")
    for wall in walls["missing"]:
        say(f"  ✘ not enforced here: {wall}")
    if walls["hint"]:
        say(f"  hint: {walls['hint']}")


def invoke(homeport: Homeport, name: str, method: str, path: str, body: str = "") -> subprocess.Popen[str]:
    words = ["invoke", name, *([body] if body else []), "-X", method, "-p", path, "--wait", "30"]
    return homeport.begin(*words)


def answered(homeport: Homeport, process: subprocess.Popen[str], *, expect: int = 0) -> dict[str, Any]:
    """The answer; with `expect` it must carry that status."""
    answer: dict[str, Any] = homeport.answer(process)
    if expect and answer["status"] != expect:
        raise DemoFailed(f"expected an answer with status {expect}, got {answer}")
    return answer


def ask_example(homeport: Homeport, name: str) -> None:
    for note in NOTES:
        answered(homeport, invoke(homeport, name, "POST", "/notes", f'{{"text": "{note}"}}'), expect=201)
    say(f"{len(NOTES)} notes stored; GET /search?q=harbour+keys")
    found = answered(homeport, invoke(homeport, name, "GET", "/search?q=harbour+keys"), expect=200)
    found = json.loads(found["body"])
    if not found["hits"] or found["hits"][0]["text"] != NOTES[1]:
        raise DemoFailed(f"the search found something else: {found}")
    say(f"→ 200  {found['hits'][0]['text']}  (score {found['hits'][0]['score']})")


def ask_any(homeport: Homeport, name: str) -> None:
    path = homeport.ask("inspect", name)["workload"]["health"]["path"]
    answer = answered(homeport, invoke(homeport, name, "GET", path))
    say(f"GET {path} → {answer['status']}")
    if answer["status"] in (202, 502, 503, 504):
        raise DemoFailed(f"the agent did not answer: {answer}")


def find_program(homeport: Homeport, name: str) -> tuple[int, dict[str, Any]]:
    """The pid of the agent's own program, seen from outside its walls, and the agent's record."""
    agent: dict[str, Any] = homeport.ask("inspect", name)
    words = list(agent["workload"]["start"])
    if agent["workload"]["runtime"] == "docker":
        pid = processes.in_container(name, words)
    else:
        pid = processes.program(processes.keeper_of(HOME), words)
    if not pid:
        raise DemoFailed(f"no process runs {words}")
    return pid, agent


def kill(pid: int) -> None:
    words = processes.command(pid)
    os.kill(pid, signal.SIGKILL)
    say(paint(f"kill -9 {pid}", BOLD) + f"   ({words})")


def kill_in_flight(homeport: Homeport, name: str) -> None:
    pid, _ = find_program(homeport, name)
    with homeport.following("logs", name, "-f") as lines:
        say(f"POST /summarize?delay={SLOW_S}  is sent and waits for its answer")
        sent = time.monotonic()
        waiting = invoke(homeport, name, "POST", f"/summarize?delay={SLOW_S}", '{"q": "harbour ferry"}')
        until_said(lines, "summarizing")
        say(f"the agent says: summarizing, slowly: {SLOW_S} s")
        kill(pid)
    answer = answered(homeport, waiting, expect=200)
    say(f"→ 200 after {time.monotonic() - sent:.1f} s, to the same caller: {json.loads(answer['body'])['summary']}")
    request = homeport.ask("requests", "show", answer["request_id"])
    if request["state"] != "completed" or request["fence"] < 2:
        raise DemoFailed(f"the request was not answered by a second lease: {request}")
    say(f"{request['id']}  {request['state']} under lease {request['fence']}: the agent declares at-least-once")


def kill_and_ask_again(homeport: Homeport, name: str) -> None:
    pid, before = find_program(homeport, name)
    kill(pid)
    after = until("the restart", lambda: restarted(homeport, name, before["restarts"]))
    say(f"running again: restart number {after['restarts']}")
    ask_any(homeport, name)


def restarted(homeport: Homeport, name: str, before: int) -> dict[str, Any] | None:
    agent: dict[str, Any] = homeport.ask("inspect", name)
    return agent if agent["restarts"] > before and agent["state"] == "running" else None


def show_events(homeport: Homeport, name: str) -> None:
    events = [event for event in homeport.ask_lines("events") if event["subject"] == name]
    if not any("SIGKILL" in event["message"] for event in events):
        raise DemoFailed(f"no event names the signal that ended the agent: {events}")
    for event in events:
        say(f"{event['type']:<20} {event['message']}")


def finish(homeport: Homeport, name: str, acts: Acts) -> None:
    listen = homeport.ask("status")["listen"]
    print(paint(f"\nThe story took {acts.total:.1f} s. The agent is still running.\n", GREEN))
    say(f"gateway   http://{listen['gateway']}/agent/{name}/")
    say(f"          (with a token: homeport token create --role agent --agent {name})")
    say(f"API       http://{listen['api']}/docs")
    say(f"command   HOMEPORT_HOME={HOME.relative_to(CHECKOUT)} .venv/bin/homeport list")
    say("documents docs/index.md")
    say("stop      make clean")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
