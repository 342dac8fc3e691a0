# SPDX-License-Identifier: Apache-2.0
"""The client says what the control plane says: over the Unix socket and over TCP, sync and async."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from door_rig import ADMIN, Doors, a_plan, opened_doors
from homeport.app.control import Control
from homeport.client import AsyncClient, Client
from homeport.errors import Conflict, Denied, NotFound, Unavailable, UsageError
from homeport.model.agent import AgentState
from homeport.model.token import Role
from homeport.settings import Settings, find_paths


@pytest.fixture
def doors(tmp_path: Path) -> Iterator[Doors]:
    # A home whose sockets have longer paths than the kernel takes.
    with opened_doors(tmp_path / ("long-" * 20)) as doors:
        assert len(str(doors.settings.paths.api_socket)) > 107
        yield doors


@pytest.fixture(params=["unix", "tcp"])
def client(request: pytest.FixtureRequest, doors: Doors) -> Client:
    return Client(doors.settings if request.param == "unix" else doors.remote(doors.token()))


def test_a_plan_becomes_a_deployment_and_an_agent(doors: Doors, client: Client) -> None:
    deployment = client.deploy(a_plan(quote="“quoted” \x1b[2J"), env={"MODE": "fast"})
    with client.events(follow=True, subject=deployment.id) as events:
        assert "deployment.succeeded" in (event.type for event in events)
    assert client.deployment(deployment.id).state == "succeeded"
    assert doors.control.environments["notes"] == {"MODE": "fast"}
    [agent] = client.agents()
    assert agent == client.agent("notes") == doors.control.held["default", "notes"]
    with pytest.raises(Conflict):
        client.deploy(replace(a_plan(), id="pln_other"))
    assert client.deploy(replace(a_plan(), id="pln_other"), replace=True).state == "running"


def test_an_agent_is_stopped_started_restarted_and_removed(doors: Doors, client: Client) -> None:
    doors.control.add_agent("default", a_plan())
    assert client.stop("notes").state is AgentState.STOPPED
    assert client.start("notes").state is AgentState.RUNNING
    assert client.restart("notes").restarts == 1
    client.remove("notes", keep_data=True)
    with pytest.raises(NotFound, match="notes"):
        client.agent("notes")


@pytest.mark.parametrize("name", ["../status", "a/b", "a?b=c", "a#b", "ü", "%2e%2e", " ", "\n", "."])
def test_a_hostile_name_stays_one_name(client: Client, name: str) -> None:
    with pytest.raises(NotFound):
        client.agent(name)


def test_an_empty_name_is_refused_before_anything_is_sent(client: Client) -> None:
    with pytest.raises(UsageError):
        client.remove("")


def test_requests_are_listed_shown_and_replayed(doors: Doors, client: Client) -> None:
    doors.control.journal += [
        {"id": f"req_{n}", "agent": "notes", "state": "dead" if n % 2 else "completed"} for n in range(4)
    ]
    assert [request["id"] for request in client.requests()] == ["req_3", "req_2", "req_1", "req_0"]
    assert [request["id"] for request in client.requests(state="dead", limit=1)] == ["req_3"]
    assert [request["id"] for request in client.requests(after="req_2")] == ["req_1", "req_0"]
    assert client.request("req_1")["state"] == "dead"
    assert client.replay("req_1")["state"] == "pending"


def test_a_token_is_shown_once_and_its_hash_never(doors: Doors, client: Client) -> None:
    token, text = client.create_token(role=Role.VIEWER, label="for “ci”", agents=("notes",), ttl_s=60)
    assert text.startswith("hp_") and token.label == "for “ci”" and token.expires_at_us > token.created_at_us
    assert all(not known.sha256 for known in [token, *client.tokens()])
    viewer = Client(doors.remote(text))
    assert viewer.agents() == []
    with pytest.raises(Denied):
        viewer.put_secret("key", "value")
    assert client.revoke_token(token.id).revoked
    with pytest.raises(Denied):
        viewer.agents()


def test_secrets_go_in_and_only_names_come_out(client: Client) -> None:
    client.put_secret("api-key", "s3cr3t\n“x”")
    assert client.secret_names() == ["api-key"]
    assert client.delete_secret("api-key")
    assert not client.delete_secret("api-key")


def test_the_audit_trail_names_who_called(doors: Doors, client: Client) -> None:
    client.secret_names()
    entry = client.audit()[-1]
    assert entry.action == "audit.read"
    assert entry.actor.startswith("tok_" if client.settings.url else "local:")
    assert client.audit_verify() >= 2
    assert client.audit(after=entry.seq + 1, limit=1)


def test_the_local_client_works_in_the_namespace_it_names(doors: Doors) -> None:
    blue = Client(replace(doors.settings, namespace="blue"))
    blue.put_secret("key", "value")
    assert Client(doors.settings).secret_names() == []
    assert blue.secret_names() == ["key"]
    with pytest.raises(UsageError):
        Client(replace(doors.settings, namespace="Not A Label")).agents()


def test_without_a_server_the_error_says_how_to_start_one(tmp_path: Path) -> None:
    settings = Settings(find_paths({"HOMEPORT_HOME": str(tmp_path)}))
    with pytest.raises(Unavailable) as caught:
        Client(settings).health()
    assert caught.value.retry and "homeport serve" in caught.value.hint


@pytest.mark.parametrize(
    "url", ["ftp://x", "x", "http://user:pw@host", "http://h/path", "http://[::1", "http://h:99999999"]
)
def test_a_url_that_is_none_is_refused(tmp_path: Path, url: str) -> None:
    settings = Settings(find_paths({"HOMEPORT_HOME": str(tmp_path)}), url=url, token="hp_x")
    with pytest.raises(UsageError):
        Client(settings).health()


def test_a_server_that_goes_away_ends_a_followed_stream(tmp_path: Path) -> None:
    with opened_doors(tmp_path / "home") as doors:
        doors.do(doors.control.happen("default", "agent.started", "notes"))
        with Client(doors.settings).events(follow=True) as events:
            assert next(events).subject == "notes"
            doors.stop()
            assert list(events) == []


def test_a_waiting_stream_ends_when_another_thread_closes_it(doors: Doors) -> None:
    doors.do(doors.control.happen("default", "agent.started", "notes"))
    events = Client(doors.settings).events(follow=True)
    next(events)
    timer = threading.Timer(0.1, events.close)
    timer.start()
    assert list(events) == []
    timer.join()


def test_a_stream_may_end_itself_after_a_silence(doors: Doors) -> None:
    assert list(Client(doors.settings).events(follow=True, idle_s=1.0)) == []


async def test_the_async_client_has_the_same_verbs(doors: Doors) -> None:
    client = AsyncClient(doors.settings)
    verbs = {name for name in vars(Control) if not name.startswith("_")} - {"authenticate"}
    for kind in (Client, AsyncClient):
        assert verbs <= set(vars(kind))
    deployment = await client.deploy(a_plan())
    seen = []
    events = client.events(follow=True, subject=deployment.id)
    async for event in events:
        seen.append(event.type)
        if event.type == "deployment.succeeded":
            break
    await events.aclose()
    assert seen[0] == "deployment.started"
    assert [agent.name for agent in await client.agents()] == ["notes"]
    assert (await client.audit())[0].actor.startswith("local:")


async def test_leaving_an_async_stream_that_waits_takes_no_thread_with_it(doors: Doors) -> None:
    async def read_on() -> None:
        async for _ in AsyncClient(doors.settings).logs("notes", follow=True):
            pass

    doors.control.add_agent("default", a_plan())
    task = asyncio.create_task(read_on())
    await asyncio.sleep(0.7)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def test_the_fake_control_plane_is_what_the_doors_expect(doors: Doors) -> None:
    control: Control = doors.control
    assert doors.do(control.agents(ADMIN)) == []
