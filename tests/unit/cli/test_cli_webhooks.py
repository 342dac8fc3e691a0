# SPDX-License-Identifier: Apache-2.0
"""Webhooks from the command line, through a real API: what is shown, what is refused, and to whom."""

from __future__ import annotations

import json

import pytest

from door_rig import Doors, Run
from homeport.client import Client
from homeport.errors import Conflict, Denied, NotFound, UsageError
from homeport.model.request import RequestState
from homeport.model.token import Role
from webhook_rig import new_secret

pytestmark = pytest.mark.usefixtures("doors")


def test_a_webhook_is_made_shown_and_removed_and_its_secret_is_seen_once(run: Run) -> None:
    url = "https://example.org/in?token=abcdefghijkl&a=b"
    code, secret, said = run("webhooks", "add", "ops", "--url", url, "--agent", "notes", "--on", "failed,dead")
    assert code == 0 and secret.startswith("whsec_") and "not shown again" in said
    assert "there is no agent notes as yet" in said
    assert run("webhooks", "add", "ops", "--url", url)[0] == 1
    listed = run("webhooks", "list")[1]
    shown = run("webhooks", "show", "ops")[1]
    for text in (listed, shown, run("webhooks", "list", "--json")[1], run("webhooks", "show", "ops", "--json")[1]):
        assert "ops" in text or "example.org" in text
        assert "abcdefghijkl" not in text and secret.strip() not in text
    assert "failed,dead" in shown and "notes" in shown and "a=b" in shown
    assert run("webhooks", "remove", "ops") == (0, "ops: removed\n", "")
    assert run("webhooks", "remove", "ops") == (0, "ops: there was none\n", "")
    assert run("webhooks", "show", "ops")[0] == 2


def test_a_secret_of_ones_own_comes_by_stdin_and_is_never_printed(run: Run) -> None:
    secret = new_secret()
    code, out, err = run(
        "webhooks", "add", "ops", "--url", "https://example.org/", "--secret-stdin", stdin=secret + "\n"
    )
    assert (code, out) == (0, "ops: registered\n") and secret not in err
    for bad in ("", "whsec_", "whsec_c2hvcnQ=", "a" * 500, "whsec_!!!!"):
        code, out, err = run("webhooks", "rotate", "ops", "--secret-stdin", stdin=bad)
        assert code == 2, bad
        assert not bad or bad[6:] not in err or len(bad) < 8


def test_deliveries_are_listed_and_what_was_given_up_is_sent_again(doors: Doors, run: Run) -> None:
    run("webhooks", "add", "ops", "--url", "https://example.org/")
    one = {
        "seq": 7, "id": "msg_7", "request": "req_1", "state": "completed", "delivery": "dead", "tries": 3,
        "status": 500, "next_try_at": None, "settled_at": "then", "said": "no\x1b[2J",
    }  # fmt: skip
    doors.control.told["ops"] = [one, one | {"seq": 6, "id": "msg_6", "delivery": "delivered"}]
    out = run("webhooks", "deliveries", "ops")[1]
    assert "msg_7" in out and "msg_6" in out and "\x1b" not in out
    assert [found["id"] for found in json.loads(run("webhooks", "deliveries", "ops", "--failed", "--json")[1])] == [
        "msg_7"
    ]
    assert run("webhooks", "retry", "ops")[1] == "ops: 1 are sent again\n"
    code, out, said = run("webhooks", "retry", "ops", "msg_6")
    assert (code, out) == (2, "") and "none of them was given up" in said
    assert run("webhooks", "test", "ops")[1] == "ops: taken (204)\n"


def test_what_waits_to_be_sent_is_not_dropped_without_a_question(doors: Doors, run: Run) -> None:
    run("webhooks", "add", "ops", "--url", "https://example.org/")
    doors.control.told["ops"] = [{"id": "msg_7", "delivery": "waiting"}]
    code, out, said = run("webhooks", "remove", "ops")
    assert (code, out) == (2, "") and "(1 waiting)" in said and "--yes" in said
    assert run("webhooks", "remove", "ops", "--yes") == (0, "ops: removed\n", "")


def test_a_viewer_sees_webhooks_and_changes_nothing(doors: Doors) -> None:
    admin = Client(doors.settings)
    made, _ = admin.add_webhook("ops", "https://example.org/x", states=[RequestState.DEAD])
    _, text = admin.create_token(role=Role.VIEWER)
    viewer = Client(doors.remote(text))
    assert viewer.webhooks() == [made] and viewer.webhook("ops") == made
    assert viewer.webhook_deliveries("ops") == []
    for call in (
        lambda: viewer.add_webhook("more", "https://example.org/"),
        lambda: viewer.remove_webhook("ops"),
        lambda: viewer.rotate_webhook("ops"),
        lambda: viewer.test_webhook("ops"),
        lambda: viewer.retry_webhook("ops"),
    ):
        with pytest.raises(Denied):
            call()
    with pytest.raises(NotFound):
        viewer.webhook("none")
    with pytest.raises(Conflict):
        admin.add_webhook("ops", "https://example.org/x")


@pytest.mark.parametrize("states", ["done", "completed,done", "COMPLETED"])
def test_a_state_that_there_is_not_is_refused(run: Run, states: str) -> None:
    code, _, err = run("webhooks", "add", "ops", "--url", "https://example.org/", "--on", states)
    assert code == 2, err
    assert "pending, in_flight, completed, failed, dead" in err


@pytest.mark.parametrize("name", ["", "A", "../x", "a/b", "x" * 64])
def test_an_odd_name_is_refused(doors: Doors, name: str) -> None:
    with pytest.raises(UsageError):
        Client(doors.settings).add_webhook(name, "https://example.org/")
