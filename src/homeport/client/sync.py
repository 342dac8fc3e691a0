# SPDX-License-Identifier: Apache-2.0
"""The client, method by method as `app.control.Control`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from homeport.client.transport import TIMEOUT_S, Query, Transport, segment

if TYPE_CHECKING:
    from homeport.client.gateway import Response
    from homeport.client.stream import Stream
    from homeport.interfaces.audit import AuditEntry
    from homeport.model.agent import Agent
    from homeport.model.deployment import Deployment
    from homeport.model.event import Event
    from homeport.model.instance import LogLine
    from homeport.model.kept import Wanted
    from homeport.model.plan import Plan
    from homeport.model.request import RequestState
    from homeport.model.token import Role, Token
    from homeport.model.webhook import WebhookView
    from homeport.settings import Settings

T = TypeVar("T")


class Client:
    """To api.sock, or to `settings.url` with `settings.token`. Thread-safe: each call has a connection of its own.

    Raises the errors of `homeport.errors` that the server raised, and `Unavailable` where none answers.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._transport = Transport(settings)

    def health(self) -> None:
        """Returns when a server answers."""
        self._transport.json("GET", "/health", timeout=10.0)

    def version(self) -> str:
        return str(self._transport.json("GET", "/version", timeout=10.0)["version"])

    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = self._transport.json("GET", "/status")
        return found

    def metrics(self) -> str:
        """What the gateway counts of this namespace's agents, in the Prometheus text format."""
        return b"".join(self._transport.stream("GET", "/metrics", body=None)).decode()

    # ── deployments ──────────────────────────────────────────────────────────────────────────────────────────────
    def deploy(
        self,
        plan: Plan,
        *,
        replace: bool = False,
        env: Mapping[str, str] | None = None,
        secrets: Sequence[str] = (),
    ) -> Deployment:
        wish = {"plan": plan, "replace": replace, "env": dict(env or {}), "secrets": list(secrets)}
        return self._deployment("POST", "", wish)

    def deployment(self, deployment_id: str) -> Deployment:
        return self._deployment("GET", f"/{segment(deployment_id)}")

    def cancel_deployment(self, deployment_id: str) -> Deployment:
        return self._deployment("POST", f"/{segment(deployment_id)}/cancel")

    # ── agents ───────────────────────────────────────────────────────────────────────────────────────────────────
    def agents(self) -> list[Agent]:
        from homeport.model.agent import Agent

        return _record(self._transport.json("GET", "/agents"), list[Agent])

    def agent(self, name: str) -> Agent:
        return self._agent("GET", name)

    def start(self, name: str) -> Agent:
        return self._agent("POST", name, "/start")

    def stop(self, name: str) -> Agent:
        return self._agent("POST", name, "/stop")

    def restart(self, name: str) -> Agent:
        return self._agent("POST", name, "/restart")

    def remove(self, name: str, *, keep_data: bool = False) -> None:
        self._transport.json("DELETE", f"/agents/{segment(name)}", query={"keep_data": keep_data})

    def logs(self, name: str, *, tail: int = 0, since_us: int = 0, follow: bool = False) -> Stream[LogLine]:
        from homeport.client.stream import Stream
        from homeport.model.instance import LogLine

        query: Query = {"tail": tail, "since_us": since_us, "follow": follow}
        return Stream(self._transport, f"/agents/{segment(name)}/logs", query, LogLine)

    def events(
        self,
        *,
        after: str = "",
        follow: bool = False,
        subject: str = "",
        limit: int = 1000,
        idle_s: float | None = None,
    ) -> Stream[Event]:
        """With `idle_s` a followed stream ends after so many seconds without a sign of the server."""
        from homeport.client.stream import Stream
        from homeport.model.event import Event

        query: Query = {"after": after, "follow": follow, "subject": subject, "limit": limit}
        return Stream(self._transport, "/events", query, Event, idle_s=idle_s)

    # ── requests ─────────────────────────────────────────────────────────────────────────────────────────────────
    def requests(
        self, *, agent: str = "", state: str = "", after: str = "", limit: int = 100, wanted: Wanted | None = None
    ) -> list[dict[str, Any]]:
        narrowed = wanted.query() if wanted else {}
        given = {name: text for name, text in (("agent", agent), ("state", state)) if text}
        query: Query = {**narrowed, **given, "after": after, "limit": limit}
        found: list[dict[str, Any]] = self._transport.json("GET", "/requests", query=query)
        return found

    def request(self, request_id: str, *, bodies: bool = True) -> dict[str, Any]:
        query: Query = {} if bodies else {"bodies": "false"}
        found: dict[str, Any] = self._transport.json("GET", f"/requests/{segment(request_id)}", query=query)
        return found

    def export_requests(self, wanted: Wanted, *, bodies: bool = False, newer: str = "") -> Iterator[dict[str, Any]]:
        """All of them, oldest first, from after the id `newer` on; asked for in pages, so that none is cut unseen."""
        while True:
            query: Query = {**wanted.query(), "bodies": bodies, "newer": newer}
            page: list[dict[str, Any]] = self._transport.json("GET", "/requests/export", query=query)
            if not page:
                return
            yield from page
            newer = page[-1]["id"]

    def tail_requests(self, wanted: Wanted) -> Stream[dict[str, Any]]:
        from homeport.client.stream import Stream

        return Stream(self._transport, "/requests/tail", wanted.query(), dict)

    def clear_requests(self, wanted: Wanted) -> int:
        """Removes those that are over and in `wanted.state`; how many."""
        removed, more = 0, True
        while more:
            done = self._transport.json("POST", "/requests/clear", query=wanted.query())
            removed, more = removed + done["removed"], done["more"]
        return removed

    def drop(self, request_id: str) -> dict[str, Any]:
        found: dict[str, Any] = self._transport.json("DELETE", f"/requests/{segment(request_id)}")
        return found

    def replay(self, request_id: str) -> dict[str, Any]:
        found: dict[str, Any] = self._transport.json("POST", f"/requests/{segment(request_id)}/replay")
        return found

    def invoke(
        self,
        name: str,
        method: str = "GET",
        path: str = "/",
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        wait: float = 0.0,
    ) -> Response:
        """Ask an agent through the gateway. `wait`: seconds it may hold the answer back while the agent is away."""
        from homeport.client.gateway import gateway_url, invoke

        url = gateway_url(self.settings, self.status()) if self.settings.url else ""
        return invoke(self.settings, url, name, method, path, headers or {}, body, wait, max(TIMEOUT_S, wait * 2))

    # ── webhooks ─────────────────────────────────────────────────────────────────────────────────────────────────
    def add_webhook(
        self,
        name: str,
        url: str,
        *,
        agent: str = "",
        states: Sequence[RequestState] = (),
        named: bool = False,
        secret: str = "",
    ) -> tuple[WebhookView, str]:
        wish = {"name": name, "url": url, "agent": agent, "states": list(states), "named": named, "secret": secret}
        return _made_webhook(self._transport.json("POST", "/webhooks", body=wish))

    def webhooks(self) -> list[WebhookView]:
        from homeport.model.webhook import WebhookView

        return _record(self._transport.json("GET", "/webhooks"), list[WebhookView])

    def webhook(self, name: str) -> WebhookView:
        from homeport.model.webhook import WebhookView

        return _record(self._transport.json("GET", f"/webhooks/{segment(name)}"), WebhookView)

    def remove_webhook(self, name: str) -> bool:
        return bool(self._transport.json("DELETE", f"/webhooks/{segment(name)}")["removed"])

    def rotate_webhook(self, name: str, *, secret: str = "", overlap_s: float = 86400.0) -> tuple[WebhookView, str]:
        wish = {"secret": secret, "overlap_s": overlap_s}
        return _made_webhook(self._transport.json("POST", f"/webhooks/{segment(name)}/rotate", body=wish))

    def test_webhook(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self._transport.json("POST", f"/webhooks/{segment(name)}/test")
        return found

    def webhook_deliveries(
        self, name: str, *, standing: str = "", after: int = 0, limit: int = 100
    ) -> list[dict[str, Any]]:
        query: Query = {"standing": standing, "after": after, "limit": limit}
        found: list[dict[str, Any]] = self._transport.json("GET", f"/webhooks/{segment(name)}/deliveries", query=query)
        return found

    def retry_webhook(self, name: str, ids: Sequence[str] = ()) -> int:
        return int(self._transport.json("POST", f"/webhooks/{segment(name)}/retry", body={"ids": list(ids)})["again"])

    # ── tokens, secrets, audit ───────────────────────────────────────────────────────────────────────────────────
    def create_token(
        self, *, role: Role, label: str = "", agents: tuple[str, ...] = (), ttl_s: float = 0
    ) -> tuple[Token, str]:
        from homeport.model.token import Token

        wish = {"role": role, "label": label, "agents": agents, "ttl_s": ttl_s}
        created = self._transport.json("POST", "/tokens", body=wish)
        return _record(created["token"], Token), str(created["text"])

    def tokens(self) -> list[Token]:
        from homeport.model.token import Token

        return _record(self._transport.json("GET", "/tokens"), list[Token])

    def revoke_token(self, token_id: str) -> Token:
        from homeport.model.token import Token

        return _record(self._transport.json("DELETE", f"/tokens/{segment(token_id)}"), Token)

    def put_secret(self, name: str, value: str) -> None:
        self._transport.json("PUT", f"/secrets/{segment(name)}", body={"value": value})

    def secret_names(self) -> list[str]:
        return _record(self._transport.json("GET", "/secrets"), list[str])

    def delete_secret(self, name: str) -> bool:
        return bool(self._transport.json("DELETE", f"/secrets/{segment(name)}")["removed"])

    def audit(self, *, after: int = 0, limit: int = 100) -> list[AuditEntry]:
        from homeport.interfaces.audit import AuditEntry

        return _record(self._transport.json("GET", "/audit", query={"after": after, "limit": limit}), list[AuditEntry])

    def audit_verify(self) -> int:
        return int(self._transport.json("GET", "/audit/verify")["entries"])

    def backup(
        self, *, volumes: Sequence[str] | None = None, passphrase: str = "", with_key: bool = False
    ) -> Iterator[bytes]:
        """The bytes of an archive, to the end that the server said. Raises `Unavailable` where they stop before."""
        wish = {"volumes": volumes, "passphrase": passphrase, "with_key": with_key}
        return self._transport.stream("POST", "/backup", body=wish)

    def _deployment(self, method: str, path: str, body: object = None) -> Deployment:
        from homeport.model.deployment import Deployment

        return _record(self._transport.json(method, f"/deployments{path}", body=body), Deployment)

    def _agent(self, method: str, name: str, verb: str = "") -> Agent:
        from homeport.model.agent import Agent

        return _record(self._transport.json(method, f"/agents/{segment(name)}{verb}"), Agent)


def _made_webhook(made: Any) -> tuple[WebhookView, str]:
    from homeport.model.webhook import WebhookView

    return _record(made["webhook"], WebhookView), str(made["secret"])


def _record(data: Any, cls: type[T]) -> T:
    from homeport.model.codec import from_builtins

    return from_builtins(data, cls)
