# SPDX-License-Identifier: Apache-2.0
"""Asking an agent, through the same gateway as everybody."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from homeport.cli.group import Verb
from homeport.cli.output import put_json, say
from homeport.cli.session import Session
from homeport.client import Response
from homeport.errors import Unhealthy, UsageError


@click.command(cls=Verb)
@click.argument("name")
@click.argument("body", required=False)
@click.option("-X", "--method", metavar="METHOD", help="Default: GET, or POST with a body.")
@click.option("-p", "--path", default="/", metavar="PATH", help="Path and query, as the agent sees it. [/]")
@click.option("-H", "--header", "headers", multiple=True, metavar="'N: V'", help="A header; may be repeated.")
@click.option("-d", "--data", metavar="@FILE", help="The body: a text, @FILE, or @- for stdin.")
@click.option(
    "--wait",
    type=click.FloatRange(0, 300),
    default=0.0,
    metavar="S",
    help="Wait so many seconds for an agent that is away or slow.",
)
@click.pass_obj
def invoke(
    session: Session,
    name: str,
    body: str | None,
    method: str | None,
    path: str,
    headers: tuple[str, ...],
    data: str | None,
    wait: float,
) -> int:
    """Send an agent a request; its answer's body goes to stdout.

    Exit codes: 0 for 1xx to 3xx (202: the gateway keeps the request), 1 for 4xx, 5 for 5xx.
    """
    sent = _body(body, data)
    method = (method or ("GET" if sent is None else "POST")).upper()
    if not method.isascii() or not method.isalpha():
        raise UsageError(f"{method!r} is not a method", operation="parse")
    found = session.client.invoke(name, method, path, _headers(headers, sent), sent, wait)
    if session.json:
        put_json(_shown(found))
    else:
        sys.stdout.flush()
        sys.stdout.buffer.write(found.body)
        if sys.stdout.isatty() and found.body and not found.body.endswith(b"\n"):
            sys.stdout.buffer.write(b"\n")
        sys.stdout.buffer.flush()
        if found.status == 202 and found.request_id:
            say(f"kept as {found.request_id}: homeport requests show {found.request_id}")
        elif found.status >= 400:
            say(f"the answer was {found.status} {found.reason}")
    return Unhealthy.exit_code if found.status >= 500 else int(found.status >= 400)


def _body(text: str | None, data: str | None) -> bytes | None:
    if text is not None and data is not None:
        raise UsageError("give the body once: as BODY, or with -d", operation="parse")
    given = data if text is None else text
    if given is None:
        return None
    if data is None or not data.startswith("@"):
        return given.encode()
    try:
        return sys.stdin.buffer.read() if data == "@-" else Path(data[1:]).read_bytes()
    except OSError as error:
        raise UsageError(f"cannot read {data[1:]}: {error.strerror}", operation="parse", subject=data[1:]) from None


def _headers(given: tuple[str, ...], body: bytes | None) -> dict[str, str]:
    found = {}
    for header in given:
        name, separator, value = header.partition(":")
        if not separator or not name.strip() or not (name + value).isprintable() or not (name + value).isascii():
            raise UsageError(f"-H {header[:80]!r}: expected 'Name: value'", operation="parse")
        found[name.strip()] = value.strip()
    if body is not None and "content-type" not in {name.lower() for name in found}:
        try:
            json.loads(body)
            found["Content-Type"] = "application/json"
        except (ValueError, RecursionError):
            found["Content-Type"] = "application/octet-stream"
    return found


def _shown(found: Response) -> dict[str, object]:
    try:
        body: dict[str, object] = {"body": found.body.decode()}
    except UnicodeDecodeError:
        from base64 import b64encode

        body = {"body_base64": b64encode(found.body).decode()}
    return {"status": found.status, "request_id": found.request_id, "headers": found.headers, **body}
