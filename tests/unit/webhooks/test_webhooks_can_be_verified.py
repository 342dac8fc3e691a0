# SPDX-License-Identifier: Apache-2.0
"""What the how-to page tells receivers is enough, and no less is: in Python, in Node, by the standard's library."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from homeport.gateway.webhooks.message import extract, next_try_us, signed, trial_body
from homeport.model.request import RequestState
from homeport.model.webhook import Change, key_bytes
from webhook_rig import new_secret

PAGE = Path(__file__).parents[3] / "docs/how-to/webhooks.md"
Verify = Callable[[str, dict[str, str], bytes], Any]


def block(language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert found
    return found[1]


def by_python(secret: str, headers: dict[str, str], body: bytes) -> None:
    names: dict[str, Any] = {}
    exec(block("python"), names)
    names["verify"](secret, headers, body)


def by_node(secret: str, headers: dict[str, str], body: bytes) -> None:
    if shutil.which("node") is None:
        pytest.skip("there is no node")
    call = f"verify({json.dumps(secret)}, {json.dumps(headers)}, Buffer.from({json.dumps(body.hex())}, 'hex'));"
    subprocess.run(["node", "-e", block("javascript") + call], check=True, capture_output=True)


def by_library(secret: str, headers: dict[str, str], body: bytes) -> None:
    standard = pytest.importorskip("standardwebhooks", reason="pip install -r requirements/dev.txt")
    standard.Webhook(secret).verify(body, headers)


@pytest.mark.parametrize("verify", [by_python, by_node, by_library])
def test_a_message_is_verified_with_either_secret_and_no_changed_one(verify: Verify) -> None:
    new, old, now = new_secret(), new_secret(), int(time.time())
    body = trial_body("ops", now * 10**6)
    keys = [key_bytes(new), key_bytes(old)]
    headers = {name.decode().lower(): value.decode() for name, value in signed("msg_1", body, keys, at_s=now)}
    verify(new, headers, body)
    verify(old, headers, body)
    late = {name.decode().lower(): value.decode() for name, value in signed("msg_1", body, keys, at_s=now - 3600)}
    wrong: list[tuple[str, dict[str, str], bytes]] = [
        (new_secret(), headers, body),
        (new, headers, body + b" "),
        (new, headers | {"webhook-id": "msg_2"}, body),
        (new, headers | {"webhook-timestamp": str(now + 1)}, body),
        (new, headers | {"webhook-signature": "v1,"}, body),
        (new, late, body),
    ]
    for one in wrong:
        with pytest.raises(Exception):  # noqa: B017  (each has its own)
            verify(*one)


def change(**given: Any) -> Change:
    made = {"tries": 0, "at_us": 10**15, "since_us": 0} | given
    return Change(
        1, "msg_1", "whk_1", "req_1", "default", "echo", "GET", "/", RequestState.DEAD, 1, "", 0, **made
    )  # fmt: skip


def test_the_wait_grows_to_two_hours_and_ends_after_a_day() -> None:
    now, waits = 10**15, []
    for tries in range(100):
        at = next_try_us(change(tries=tries), (), now_us=now, chance=1.0)
        if at is None:
            break
        waits.append((at - now) / 1e6)
        now = at
    assert waits[:4] == [2, 4, 8, 16]
    assert max(waits) == 7200
    assert sum(waits) == 24 * 3600
    assert len(waits) < 40


def test_a_receiver_is_not_asked_before_it_says_and_never_after_a_day() -> None:
    def ask(value: bytes) -> int | None:
        return next_try_us(change(), ((b"Retry-After", value),), now_us=10**15, chance=0.0)

    assert ask(b"600") == 10**15 + 600 * 10**6
    assert ask(b"0") == ask(b"nonsense") == 10**15 + 10**6
    assert ask(b"99999999999") is None
    assert ask(str(25 * 3600).encode()) is None
    assert next_try_us(change(since_us=10**15), (), now_us=10**15 + 25 * 3600 * 10**6, chance=0.0) is None


def test_what_is_kept_of_an_answer_is_one_short_line_without_credentials() -> None:
    said = extract(
        b"no\r\n\x1b[31m \x00\xff api_key=0123456789abcdef Authorization: Bearer abcdefghijklmnop1\n" + b"x" * 9999
    )
    assert len(said) <= 200 and said.isprintable()
    assert "0123456789abcdef" not in said and "abcdefghijklmnop1" not in said
