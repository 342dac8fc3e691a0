# SPDX-License-Identifier: Apache-2.0
"""What people see of a text that held a secret: all of it but the secret."""

from __future__ import annotations

import base64
import json
from urllib.parse import quote

import pytest
import structlog

from homeport.model.redaction import (
    is_credential_header,
    log_redactor,
    names_secret,
    redact,
    redact_headers,
    redact_value,
)

TOKEN = "hp_" + "Ab3_-9xYzQ" * 4

SEEN = [
    ("Authorization: Bearer abc123def456ghi", "Authorization: ***"),
    ('{"Authorization": "Basic dXNlcjpwYXNz", "x": 1}', '{"Authorization": "***", "x": 1}'),
    ("proxy with bearer abc123def456ghi.x", "proxy with bearer ***"),
    (f"started with {TOKEN}.", "started with ***."),
    ("key sk-proj-abcdEFGH1234abcdEFGH is wrong", "key *** is wrong"),
    ("pushing with ghp_abcdefghijklmnopqrstuvwxyz0123", "pushing with ***"),
    ("see eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl!", "see ***!"),
    ("aws AKIAIOSFODNN7EXAMPLE in use", "aws *** in use"),
    ("DB_PASSWORD=hunter2 next", "DB_PASSWORD=*** next"),
    ("export OPENAI_API_KEY='a b c' && run", "export OPENAI_API_KEY='***' && run"),
    ('{"password":"x \\" y","n":2}', '{"password":"***","n":2}'),
    ('{"log":"{\\"password\\": \\"x y\\", \\"n\\": 2}"}', '{"log":"{\\"password\\": \\"***\\", \\"n\\": 2}"}'),
    ('password: "never closed', 'password: "***'),
    ("clientSecret: foo", "clientSecret: ***"),
    ("client_secret => 'foo'", "client_secret => '***'"),
    ("run --password hunter2 --port 80", "run --password *** --port 80"),
    ("https://user:p@ss@host/path?token=abc&x=1#top", "https://***@host/path?token=***&x=1#top"),
    ("redirect=https%3A%2F%2Fh%2F%3Fapi_key%3Dabc", "redirect=https%3A%2F%2Fh%2F%3Fapi_key%3D***"),
    ("postgres://u:p@db:5432/name", "postgres://***@db:5432/name"),
    ("Cookie: session=1; theme=dark\r\nHost: x", "Cookie: ***\r\nHost: x"),
    ("-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----\nafter", "***\nafter"),
    ("-----BEGIN PRIVATE KEY-----\nMIIE cut off", "***"),
]


@pytest.mark.parametrize(("text", "seen"), SEEN)
def test_credentials_are_masked_and_the_rest_stays_readable(text, seen):
    assert redact(text) == seen
    assert redact(seen) == seen


@pytest.mark.parametrize(
    "text",
    [
        "",
        "billing answered 200 in 12 ms",
        "max_tokens=5 token_id: tok_01hzx tokens: 7",
        "idempotency-key: 4",
        "basic authentication required",
        "passwordless login is on",
        "https://host/path@v1?x=1",
        "https://github.com/x/y.git",
        "sk-learn and hp_printer and ghp_",
        "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "req_01hzxw3k5n9q8r7s6t5v4w3x2y agt_01hzxw3k5n9q8r7s6t5v4w3x2y",
    ],
)
def test_ordinary_text_is_left_alone(text):
    assert redact(text) == text


def test_known_values_are_masked_in_every_form_they_are_written_in():
    secret = 'p"ä ss/\\w\nd'
    encoded = base64.b64encode(secret.encode()).decode()
    for form in (secret, json.dumps(secret), json.dumps(secret, ensure_ascii=False), quote(secret), encoded):
        assert "***" in redact(f"<{form}>", [secret])
        assert "ss" not in redact(f"<{form}>", [secret]).replace("***", "")
    assert redact("<abcdef>", ["abcd", "cdef"]) == "<***>"
    assert redact("abab aaaaaa", ["abab", "aaaa"]) == "*** ***"
    assert redact("a abc", ["a", "", "abc"]) == "a abc"


def test_headers_keep_names_order_and_repeats():
    headers = (
        (b"Host", b"x"),
        (b"authorization", b"Bearer t"),
        (b"X-Homeport-Token", b"t"),
        (b"Set-Cookie", b"a=b"),
        (b"set-cookie", b"c=d"),
        (b"Location", b"/next?token=t&x=1"),
        (b"X-Odd", b"\xff\xfe plain"),
        (b"X-Own", b"my hunter22 value"),
    )
    assert redact_headers(headers, ["hunter22"]) == (
        (b"Host", b"x"),
        (b"authorization", b"***"),
        (b"X-Homeport-Token", b"***"),
        (b"Set-Cookie", b"***"),
        (b"set-cookie", b"***"),
        (b"Location", b"/next?token=***&x=1"),
        (b"X-Odd", b"\xff\xfe plain"),
        (b"X-Own", b"my *** value"),
    )


def test_names_that_hold_credentials_are_told_from_those_that_do_not():
    secret = "password DB_PASSWORD apiKey X-Api-Key access_token client.secret Cookie Proxy-Authorization"
    for name in (*secret.split(), "aws_secret_access_key"):
        assert names_secret(name), name
    for name in "token_id tokens max_tokens secret_name key author idempotency-key Content-Type monkey compass".split():
        assert not names_secret(name), name
    assert is_credential_header(b" AUTHORIZATION ") and not is_credential_header("www-authenticate")


def test_values_under_secret_names_are_masked_at_every_level():
    value = {
        "env": {"API_KEY": "a", "PORT": 80, "url": "redis://:pw@h"},
        "list": [{"token": ["x", "y"]}, ("password=a", b"secret=b")],
        "token": None,
        "secret": 5,
        "cookie": True,
        "odd": {1: object},
    }
    assert redact_value(value) == {
        "env": {"API_KEY": "***", "PORT": 80, "url": "redis://***@h"},
        "list": [{"token": "***"}, ["password=***", "secret=***"]],
        "token": None,
        "secret": "***",
        "cookie": True,
        "odd": {1: "<class 'object'>"},
    }


def test_a_value_nested_without_end_is_cut():
    value = []
    value.append(value)
    assert "***" in json.dumps(redact_value(value))


def test_log_lines_are_clean_also_of_a_secret_set_later():
    known = []
    output = []

    def keep(_logger, _method, event):
        output.append(event)
        raise structlog.DropEvent

    log = structlog.wrap_logger(
        structlog.PrintLogger(), processors=[structlog.processors.format_exc_info, log_redactor(lambda: known), keep]
    )
    log.info("up", password="hunter22", url="https://u:p@h/")
    known.append("correct horse")
    try:
        raise ValueError("cannot use correct horse")
    except ValueError:
        log.exception("failed for correct horse")
    assert output[0] == {"event": "up", "password": "***", "url": "https://***@h/"}
    assert "horse" not in repr(output[1]) and "ValueError: cannot use ***" in output[1]["exception"]


EVIL = [
    "eyJ",
    "eyJ_",
    "a",
    "://",
    "http://",
    "a://b",
    'password="',
    "password",
    "-----BEGIN PRIVATE KEY-----",
    "-----BEGIN ",
    "sk-",
    "bearer ",
    "authorization: ",
    "token ",
    "--token ",
    "-a",
    "\\",
    "eyJaaaaa.",
]


@pytest.mark.parametrize("evil", EVIL)
def test_a_megabyte_of_hostile_text_is_done_at_once(evil):
    # A pattern that is not linear would need hours: the suite's time-out tells.
    redact(evil * (1_000_000 // len(evil)))
