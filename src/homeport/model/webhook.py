# SPDX-License-Identifier: Apache-2.0
"""Webhooks: who is told of which changes of requests, and what became of each telling."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit

from homeport.errors import UsageError
from homeport.model.codec import stored_as
from homeport.model.redaction import MASK, names_secret, redact
from homeport.model.request import RequestState

PREFIX = "whsec_"
LONGEST_URL = 2048
MOST = 100
"""Webhooks of one namespace."""
_HOST = re.compile(
    r"(?=.{1,253}\Z)[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*", re.I
)
_VISIBLE = re.compile(r"[\x21-\x7e]+")


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A `whsec_…` text, sealed and bound to its webhook. `until_us` 0: in use; else also signed with until then."""

    sealed: str
    until_us: int = 0


@stored_as("webhook")
@dataclass(frozen=True, slots=True)
class Webhook:
    """`agent` "" is every agent of the namespace, `states` () every change; `named`: only of requests that name it.

    `sealed` is the URL, bound to the id; `shown` is what may be seen of it. The newest key comes first.
    """

    id: str
    namespace: str
    name: str
    sealed: str
    shown: str
    keys: tuple[SigningKey, ...]
    agent: str = ""
    states: tuple[RequestState, ...] = ()
    named: bool = False
    created_at_us: int = 0

    def fits(self, namespace: str, agent: str) -> bool:
        return self.namespace == namespace and self.agent in ("", agent)


@dataclass(frozen=True, slots=True)
class WebhookView:
    """A webhook as it is shown. `waiting` and `dead` deliveries; `stopped` says why nothing is sent any more.

    `signing_keys`: how many sign just now, two while a new one is taken into use. None where the gateway is away.
    """

    id: str
    name: str
    url: str
    agent: str
    states: tuple[RequestState, ...]
    named: bool
    created_at_us: int
    signing_keys: int
    waiting: int | None = None
    dead: int | None = None
    stopped: str = ""


@dataclass(frozen=True, slots=True)
class Change:
    """One change of a request for one webhook, as the journal has it. `id` is the same however often it is sent.

    `at_us` is by the journal's clock: the same whoever reads it. `since_us`: when trying began anew, 0: at `at_us`.
    `standing` is waiting, delivered or dead. `code` is the last status, 0 for none; `said` why it was not taken, or the
    beginning of what was answered.
    """

    seq: int
    id: str
    hook: str
    request: str
    namespace: str
    agent: str
    method: str
    target: str
    state: RequestState
    attempts: int
    outcome: str
    status: int
    at_us: int
    since_us: int = 0
    standing: str = "waiting"
    tries: int = 0
    not_before_us: int = 0
    code: int = 0
    said: str = ""
    settled_at_us: int = 0


@dataclass(frozen=True, slots=True)
class HookCount:
    """Of one webhook in the journal. `stopped`: why no more is sent to it, "" while something is."""

    waiting: int = 0
    dead: int = 0
    stopped: str = ""


def hooks_text(webhooks: Iterable[Webhook]) -> str:
    """What a request carries: the states that each wants to hear of, by id; "" for none."""
    wanted = {hook.id: ",".join(hook.states or tuple(RequestState)) for hook in webhooks}
    return json.dumps(wanted, separators=(",", ":")) if wanted else ""


def read_states(text: str) -> tuple[RequestState, ...]:
    """From `completed,failed`. Raises `UsageError`."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    unknown = [name for name in names if name not in {str(state) for state in RequestState}]
    if unknown:
        raise UsageError(f"no request state {unknown[0][:40]!r}", hint=f"of: {', '.join(RequestState)}")
    return tuple(state for state in RequestState if state in names)


def checked_url(url: str, *, plain: bool = False) -> SplitResult:
    """`url` in parts, or `UsageError` that does not repeat it. `plain`: http to this machine may be used.

    What its name leads to is checked when something is sent, each time.
    """
    hint = "https://HOST/PATH, for example https://example.org/hooks/homeport"
    if not _VISIBLE.fullmatch(url) or "\\" in url or len(url) > LONGEST_URL:
        raise UsageError(f"a URL has 1 to {LONGEST_URL} visible ASCII characters", subject="url", hint=hint)
    try:
        parts, port = urlsplit(url), urlsplit(url).port
    except ValueError:
        raise UsageError("this is not a URL", subject="url", hint=hint) from None
    host = parts.hostname or ""
    if parts.scheme == "http" and not (plain and is_this_machine(host)):
        hint = "http is taken for this machine only, and where HOMEPORT_WEBHOOK_ALLOW has its addresses"
        raise UsageError("the URL must begin with https://", subject="url", hint=hint)
    if parts.scheme not in ("http", "https"):
        raise UsageError("the URL must begin with https://", subject="url", hint=hint)
    if "@" in parts.netloc:
        raise UsageError("a URL with a user or password in it is not taken", subject="url", hint=hint)
    if port == 0 or not (_HOST.fullmatch(host) or _is_address(host)):
        raise UsageError("the URL names no host that could be asked", subject="url", hint=hint)
    if "#" in url:
        raise UsageError("a URL with a fragment (#) is not taken", subject="url", hint=hint)
    return parts


def is_this_machine(host: str) -> bool:
    return host == "localhost" or (_is_address(host) and ip_address(host).is_loopback)


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return "%" not in host


def shown_url(url: str) -> str:
    """For people: long values in the query are masked, and so is what looks like a credential."""
    path, mark, query = url.partition("?")
    parts = [
        f"{name}={MASK}" if value and (names_secret(name) or len(value) >= 16) else redact(f"{name}{is_}{value}")
        for name, is_, value in (one.partition("=") for one in query.split("&"))
    ]
    return redact(path) + mark + ("&".join(parts) if mark else "")


def key_bytes(text: str) -> bytes:
    """The key in a `whsec_…` text. Raises `UsageError`, which does not repeat it."""
    try:
        key = base64.b64decode(text.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not text.startswith(PREFIX) or not 24 <= len(key) <= 64:
        hint = "leave it out, and one is made"
        raise UsageError(f"a signing secret is {PREFIX} and 24 to 64 bytes in base64", subject="secret", hint=hint)
    return key
