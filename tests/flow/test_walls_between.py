# SPDX-License-Identifier: Apache-2.0
"""What one may not see: credentials that an agent prints, and what is in other namespaces."""

from __future__ import annotations

from homes import Home

PLANTED = "pl4nted-7f3a9c"


def test_credentials_that_an_agent_prints_are_masked_in_logs_events_and_errors(home: Home) -> None:
    code = f"print('GET /x?token={PLANTED}&q=1', flush=True)\nraise SystemExit(3)\n"
    failed = home.run("up", str(home.agent(code=code)), "--name", "agent", check=False)
    assert failed.returncode == 5 and "GET /x?token=***" in failed.stderr
    assert PLANTED not in failed.stderr + failed.stdout + home.run("--json", "events").stdout
    state = [file for file in (home.folder / "state").glob("*") if file.is_file()]
    assert [file.name for file in state if PLANTED.encode() in file.read_bytes()] == []


def test_the_log_of_an_agent_is_shown_without_the_credentials_in_it(home: Home) -> None:
    folder = home.agent()
    main = folder / "main.py"
    main.write_text(f"print('password={PLANTED}', flush=True)\n{main.read_text()}")
    home.run("up", str(folder), "--name", "agent")
    shown = home.run("logs", "agent").stdout
    assert "password=***" in shown and PLANTED not in shown


def test_pages_of_the_audit_trail_skip_other_namespaces(home: Home) -> None:
    home.run("serve", "--detach")
    for number in range(6):
        home.run("secret", "remove", f"N{number}")
    home.run("--namespace", "other", "secret", "remove", "MINE")
    (entry,) = home.json("--namespace", "other", "audit", "list", "--limit", "1")
    assert (entry["namespace"], entry["subject"]) == ("other", "MINE")
