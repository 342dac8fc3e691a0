# SPDX-License-Identifier: Apache-2.0
"""Whoever answers in the place of a cloud can neither make facts up, nor hold us, nor fill our memory."""

from __future__ import annotations

import asyncio
import gzip
import json
import threading
from collections.abc import Callable
from typing import Any, BinaryIO

import pytest

from homeport.drivers.factsources.chameleon import ChameleonFacts
from homeport.drivers.factsources.chameleon import Options as ChameleonOptions
from homeport.drivers.factsources.linode import LinodeFacts, Options
from homeport.drivers.publicapi import ALL_BYTES, ANSWER_BYTES, PAGES
from homeport.errors import Denied, HomeportError, InvalidSource, NotFound, Unavailable, UsageError
from homeport.testing.servers.facts import (
    Answer,
    FactServer,
    Raw,
    Status,
    chameleon,
    chameleon_node,
    linode,
    linode_image,
    linode_region,
    linode_type,
)

GOOD = linode_type("g6-standard-4", hourly=0.072)


async def linode_says(answers: dict[str, Answer], **options: Any) -> None:
    with FactServer(answers) as server:
        await LinodeFacts(Options(base=server.base, **options)).fetch()


async def chameleon_says(answers: dict[str, Answer]) -> None:
    with FactServer(answers) as server:
        await ChameleonFacts(ChameleonOptions(base=server.base)).fetch()


def types(*changed: dict[str, Any]) -> dict[str, Answer]:
    return linode(list(changed), [linode_region("us-ord", "GPU Linodes")])


def raw(content: bytes, head: bytes = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n") -> dict[str, Answer]:
    whole = (head % len(content) if b"%d" in head else head) + content
    return {"/linode/types": lambda _: Raw(lambda file: file.write(whole) and None)}


@pytest.mark.parametrize(
    "changes",
    [
        {"vcpus": "4"},
        {"vcpus": 0},
        {"vcpus": -2},
        {"vcpus": 10**30},
        {"memory": 8192.5},
        {"memory": 10**18},
        {"memory": 0},
        {"disk": -1},
        {"gpus": 10**6},
        {"gpus": None},
        {"price": {"hourly": -0.01, "monthly": 5}},
        {"price": {"hourly": 1e300, "monthly": 5}},
        {"price": {"hourly": "0.01"}},
        {"price": 5},
        {"region_prices": [{"id": "us-ord", "hourly": -1}]},
        {"region_prices": [{"id": "us-ord", "hourly": 1}, {"id": "us-ord", "hourly": 2}]},
        {"region_prices": [{"id": "../../etc", "hourly": 1}]},
        {"id": "../../../etc/passwd"},
        {"id": "a b\x1b[2J"},
        {"id": ""},
        {"id": "x" * 65},
        {"id": 4},
        {"label": "\x1b]0;owned\x07"},
        {"label": "x" * 201},
        {"class": None},
    ],
    ids=str,
)
async def test_one_plan_that_cannot_be_true_refuses_all_of_them(changes: dict[str, Any]) -> None:
    with pytest.raises(InvalidSource):
        await linode_says(types(GOOD, {**linode_type("g6-odd", hourly=0.1), **changes}))


async def test_the_same_plan_twice_is_refused() -> None:
    with pytest.raises(InvalidSource, match="twice"):
        await linode_says(types(GOOD, {**GOOD, "price": {"hourly": 0.0001, "monthly": 1}}))


async def test_no_plan_at_all_is_refused() -> None:
    with pytest.raises(InvalidSource):
        await linode_says(types())


@pytest.mark.parametrize(
    "node",
    [
        {"threads": 0},
        {"threads": -1},
        {"ram": 10**20},
        {"ram": 1},
        {"disks": [-5]},
        {"gpu": ("NVIDIA", "A100", -4)},
        {"gpu": ("NVIDIA", "A100", 10**9)},
        {"gpu": ("NVIDIA", "\x1b[31mA100", 1)},
        {"gpu": "yes"},
        {"architecture": None},
        {"main_memory": {"ram_size": "much"}},
        {"node_type": "../../x"},
    ],
    ids=str,
)
async def test_one_node_that_cannot_be_true_refuses_the_site(node: dict[str, Any]) -> None:
    kind = node.pop("node_type", "odd")
    with pytest.raises(InvalidSource):
        await chameleon_says(chameleon({"uc": [chameleon_node("n1", "good"), chameleon_node("n2", kind, **node)]}))


async def test_the_same_node_twice_is_refused_and_so_is_a_site_that_says_it_has_ever_more() -> None:
    nodes = [chameleon_node("n1", "good"), chameleon_node("n1", "good")]
    with pytest.raises(InvalidSource, match="twice"):
        await chameleon_says(chameleon({"uc": nodes}))
    endless = chameleon({"uc": nodes[:1]})
    path = "/sites/uc/clusters/chameleon/nodes"
    endless[path] = lambda query: {"items": [chameleon_node(query["offset"], "good")], "total": 10**9}
    with pytest.raises(InvalidSource, match=f"more than {PAGES} answers"):
        await chameleon_says(endless)


async def test_sites_that_would_lead_elsewhere_are_refused() -> None:
    with pytest.raises(InvalidSource):
        await chameleon_says({"/sites": lambda _: {"items": [{"uid": "../../secret?x="}], "total": 1}})


async def test_pages_without_end_are_not_followed() -> None:
    def page(query: Any) -> Any:
        return {"data": [linode_type(f"g6-{query['page']}", hourly=0.1)], "pages": 10**9}

    with FactServer({"/linode/types": page}) as server:
        with pytest.raises(InvalidSource, match=f"more than {PAGES} answers"):
            await LinodeFacts(Options(base=server.base)).fetch()
        assert len(server.asked) == PAGES


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"null",
        b"[]",
        b"<html>Login</html>",
        b'{"data": [], "pages": 1',
        b'{"data": NaN, "pages": 1}',
        b'{"data": [], "pages": 1e999}',
        b"\xff\xfe\x00",
        b'{"data": ' + b"[" * 100_000 + b"]" * 100_000 + b', "pages": 1}',
        b'{"other": ' + b'{"a":' * 100_000 + b"1" + b"}" * 100_000 + b', "data": [], "pages": 1}',
    ],
    ids=lambda content: repr(content[:30]),
)
async def test_what_is_not_the_documented_json_is_refused(content: bytes) -> None:
    with pytest.raises(InvalidSource):
        await linode_says(raw(content))


async def test_a_bomb_in_gzip_is_not_unpacked() -> None:
    bomb = gzip.compress(b'{"data": [' + b" " * (8 << 20) + b'], "pages": 1}')
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n"
    with pytest.raises(InvalidSource, match="compressed"):
        await linode_says(raw(bomb, head))


@pytest.mark.parametrize(
    "head", [b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n"]
)
async def test_an_answer_without_end_is_cut_off(head: bytes) -> None:
    written = []

    def endless(file: BinaryIO) -> None:
        file.write(head)
        piece = b" " * (1 << 20)
        while len(written) < 10 * (ALL_BYTES >> 20):
            file.write(piece)
            written.append(1)

    with pytest.raises(InvalidSource, match="more than anybody needs"):
        await linode_says({"/linode/types": lambda _: Raw(endless)})
    assert len(written) <= (ANSWER_BYTES >> 20) + 32  # what buffers of the kernel hold besides


async def test_many_large_answers_together_are_cut_off() -> None:
    body = b'{"data": [], "pages": 1000}' + b" " * (ANSWER_BYTES - 100)
    with pytest.raises(InvalidSource, match="more than anybody needs"):
        await linode_says(raw(body))


@pytest.mark.parametrize(
    "begin",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nX-A: ",
        b'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"data": [',
        b"HTTP/1.1 100 Go on\r\n\r\n",
    ],
    ids=["nothing", "half a header", "half a body", "go on"],
)
async def test_who_never_ends_an_answer_is_left_after_the_time_that_was_given(begin: bytes) -> None:
    with FactServer({}) as server:

        def stall(file: BinaryIO) -> None:
            file.write(begin)
            server.ended.wait(60)

        server.answers["/linode/types"] = lambda _: Raw(stall)
        with pytest.raises(Unavailable, match="took more than"):
            await LinodeFacts(Options(base=server.base, seconds=0.3)).fetch()


async def test_giving_up_ends_the_thread_that_asks() -> None:
    asking = asyncio.Event()
    loop = asyncio.get_running_loop()
    with FactServer({}) as server:

        def stall(_: BinaryIO) -> None:
            loop.call_soon_threadsafe(asking.set)
            server.ended.wait(60)

        server.answers["/linode/types"] = lambda _: Raw(stall)
        before = threading.active_count()
        task = asyncio.create_task(LinodeFacts(Options(base=server.base)).fetch())
        await asking.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.wait_for(loop.shutdown_default_executor(), 20)
        assert threading.active_count() <= before + 1  # the server's own


@pytest.mark.parametrize(
    "content",
    [b"HELLO\r\n", b"HTTP/1.1 abc\r\n\r\n", b"SSH-2.0-x\r\n", b"HTTP/1.1 200 OK\r\nA: " + b"x" * 99_999 + b"\r\n\r\n"],
)
async def test_what_does_not_speak_http_is_refused(content: bytes) -> None:
    with pytest.raises(InvalidSource):
        await linode_says(raw(content, b""))


async def test_an_answer_that_breaks_off_may_be_asked_for_again() -> None:
    with pytest.raises(Unavailable) as raised:
        await linode_says(raw(b'{"data": [', b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n"))
    assert raised.value.retry


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (429, Unavailable),
        (503, Unavailable),
        (404, NotFound),
        (403, Denied),
        (418, InvalidSource),
        (204, InvalidSource),
    ],
)
async def test_a_refusal_is_told_as_what_it_is(status: int, error: type[HomeportError]) -> None:
    with pytest.raises(error, match=str(status)):
        await linode_says({"/linode/types": lambda _: Status(status)})


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
async def test_another_host_is_not_followed(code: int) -> None:
    stolen = types(GOOD)
    with FactServer(stolen) as other, FactServer({}) as server:
        for target in (f"{other.base}/linode/types", "//evil.example/x", "file:///etc/passwd", "gopher://x"):
            server.answers["/linode/types"] = lambda _, to=target: Status(code, (("Location", to),))
            with pytest.raises(InvalidSource):
                await LinodeFacts(Options(base=server.base)).fetch()
        assert other.asked == []


async def test_the_same_host_is_followed_but_not_in_a_circle() -> None:
    answers = types(GOOD)
    answers["/v4/linode/types"] = lambda _: Status(301, (("Location", "/linode/types?page=1"),))
    for path in ("/regions", "/regions/availability", "/images"):
        answers[f"/v4{path}"] = answers[path]
    with FactServer(answers) as server:
        facts = await LinodeFacts(Options(base=server.base + "/v4")).fetch()
        assert [offer.machine_type for offer in facts.offers] == ["g6-standard-4"]
        server.answers["/v4/linode/types"] = lambda _: Status(302, (("Location", "/v4/linode/types"),))
        with pytest.raises(InvalidSource, match="on and on"):
            await LinodeFacts(Options(base=server.base + "/v4")).fetch()


@pytest.mark.parametrize(
    "base",
    [
        "http://api.example.com",
        "ftp://127.0.0.1",
        "api.example.com",
        "https://",
        "https://user:pw@api.example.com",
        "https://a b",
    ],
)
async def test_prices_are_not_read_from_where_anybody_can_change_them(base: str) -> None:
    with pytest.raises(UsageError):
        await LinodeFacts(Options(base=base)).fetch()


async def test_a_certificate_that_nobody_vouches_for_is_not_trusted() -> None:
    """What answers there speaks no TLS at all; the reason is told, not a traceback."""
    with FactServer(types(GOOD)) as server, pytest.raises(Unavailable):
        await LinodeFacts(Options(base=server.base.replace("http://", "https://"))).fetch()


async def test_images_with_names_that_mean_nothing_are_left_out_and_never_fail_the_rest() -> None:
    images = [
        linode_image("linode/ubuntu24.04"),
        linode_image("linode/debian13-kube-v1.34.9"),
        linode_image("private/123"),
        linode_image("linode/../../x"),
        linode_image("linode/debian10", deprecated=True),
        linode_image("linode/centos-stream9", created=None),
    ]
    with FactServer(linode([GOOD], images=images)) as server:
        facts = await LinodeFacts(Options(base=server.base)).fetch()
    assert [(image.family, image.version) for image in facts.images] == [("ubuntu", "24.04"), ("centos", "9")]


def test_answers_of_the_tests_are_json() -> None:
    """A check of this file: what is sent as good is what the others change."""
    every: list[Callable[[Any], Any]] = list(types(GOOD).values())
    assert all(json.dumps(answer({})) for answer in every)
