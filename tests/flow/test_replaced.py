# SPDX-License-Identifier: Apache-2.0
"""An agent that is replaced again and again, and asked meanwhile."""

from __future__ import annotations

import threading

from homes import AGENT, MANIFEST, Home, wait_until


def test_replacing_it_often_keeps_two_states_of_its_code_and_no_more(home: Home) -> None:
    for number in range(4):
        folder = home.agent(code=f"{AGENT}\n# {number}\n")
        home.run("up", str(folder), "--name", "agent", "--replace")
    (agent,) = (home.folder / "state" / "agents").iterdir()
    assert len(list(agent.glob("code-*"))) == 2, "what runs, and what ran before"
    assert home.ask("/x")[0] == 200


def test_a_stop_lets_the_agent_finish_what_it_has(home: Home) -> None:
    """Exact or dead, and no dead letter: it was asked politely, and it answered."""
    code = AGENT.replace("http.server.ThreadingHTTPServer((", "server = http.server.ThreadingHTTPServer((").replace(
        ").serve_forever()", ")"
    )
    code += (
        "server.daemon_threads = False\nimport threading\n"
        "signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())\n"
        "server.serve_forever(0.05)\nserver.server_close()\n"
    )
    folder = home.agent(code=code, manifest=MANIFEST.replace("at-least-once", "exact-or-dead"))
    home.run("up", str(folder), "--name", "agent")
    answers: list[tuple[int, str, str]] = []
    asking = threading.Thread(target=lambda: answers.append(home.ask("/slow?2", method="POST")))
    asking.start()
    ledger = next((home.folder / "state" / "agents").iterdir()) / "data" / "ledger"
    assert wait_until(ledger.exists)
    home.run("stop", "agent")
    asking.join()
    assert answers[0][0] == 200 and home.json("requests", "list", "--state", "dead") == []
