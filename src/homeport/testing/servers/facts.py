# SPDX-License-Identifier: Apache-2.0
"""The public APIs of Linode and Chameleon on loopback, as far as facts are read; and servers that misbehave.

The shapes are those of https://techdocs.akamai.com/linode-api/reference and of
https://chameleoncloud.readthedocs.io/en/latest/technical/discovery/rest_api.html, paged as they page.
"""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, BinaryIO
from urllib.parse import parse_qsl, urlsplit

Query = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Status:
    """An answer that is not 200."""

    code: int
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Raw:
    """Bytes as they are, status line and all, by whatever means; `write` gets the socket's file."""

    write: Callable[[BinaryIO], None]


Answer = Callable[[Query], Any]
"""From the query to a value sent as JSON, a `Status` or a `Raw`."""


class FactServer:
    """Answers GET by path; what has no answer is 404. `asked` has every path with its query, in order.

    `ended` is set when the server ends, for answers that wait for something that never comes. With `tls` it speaks
    that, as `localhost`.
    """

    def __init__(self, answers: Mapping[str, Answer], tls: ssl.SSLContext | None = None) -> None:
        self.answers = dict(answers)
        self.asked: list[str] = []
        self.ended = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._tls = tls is not None
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    @property
    def base(self) -> str:
        return f"{'https://localhost' if self._tls else 'http://127.0.0.1'}:{self.port}"

    @property
    def port(self) -> int:
        return self._server.server_port

    def __enter__(self) -> FactServer:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.ended.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def linode(
    types: Sequence[Mapping[str, Any]],
    regions: Sequence[Mapping[str, Any]] = (),
    availability: Sequence[Mapping[str, Any]] = (),
    images: Sequence[Mapping[str, Any]] | None = (),
    page_size: int = 500,
) -> dict[str, Answer]:
    """`images` None: they are not shown without an account. `page_size` is the most that a page holds."""
    collections = {"/linode/types": types, "/regions": regions, "/regions/availability": availability}
    answers = {path: _pages(entries, page_size) for path, entries in collections.items()}
    answers["/images"] = _pages(images, page_size) if images is not None else lambda _: Status(401)
    return answers


def linode_type(id: str, *, hourly: float | None, gpus: int = 0, **changes: Any) -> dict[str, Any]:
    """A type with all fields that the API documents."""
    return {
        "id": id, "label": id, "class": "gpu" if gpus else "standard", "vcpus": 4, "memory": 8192, "disk": 163840,
        "transfer": 5000, "network_out": 5000, "gpus": gpus, "accelerated_devices": 0, "successor": None,
        "price": {"hourly": hourly, "monthly": None if hourly is None else round(hourly * 667)},
        "region_prices": [], "addons": {"backups": {"price": {"hourly": 0.008, "monthly": 5}, "region_prices": []}},
        **changes,
    }  # fmt: skip


def linode_region(id: str, *capabilities: str) -> dict[str, Any]:
    return {
        "id": id, "label": id, "country": "us", "capabilities": ["Linodes", *capabilities], "status": "ok",
        "site_type": "core", "resolvers": {"ipv4": "192.0.2.1", "ipv6": "2001:db8::1"},
    }  # fmt: skip


def linode_image(id: str, **changes: Any) -> dict[str, Any]:
    return {
        "id": id, "label": id, "vendor": "Ubuntu", "deprecated": False, "is_public": True, "type": "manual",
        "created": "2026-04-25T14:00:00", "updated": "2026-05-01T00:00:00", "description": "", "size": 3500,
        "eol": "2031-04-25T04:00:00", "status": "available", "capabilities": ["cloud-init"], **changes,
    }  # fmt: skip


def chameleon(sites: Mapping[str, Sequence[Mapping[str, Any]]], page_size: int = 500) -> dict[str, Answer]:
    """`sites` gives the nodes of each bare-metal site; beside them there are a KVM and an edge site, as there are."""
    listed = [chameleon_site(uid) for uid in sites]
    listed += [chameleon_site("kvm", site_class="kvm"), chameleon_site("edge", site_class="edge")]
    answers: dict[str, Answer] = {"/sites": _window(listed, page_size)}
    for uid, nodes in sites.items():
        answers[f"/sites/{uid}/clusters/chameleon/nodes"] = _window(nodes, page_size)
    return answers


def chameleon_site(uid: str, *, site_class: str = "baremetal") -> dict[str, Any]:
    return {"type": "site", "uid": uid, "name": f"CHI@{uid.upper()}", "site_class": site_class, "links": []}


def chameleon_node(
    uid: str, node_type: str, *, threads: int = 48, ram: int = 192 << 30, disks: Sequence[int] = (480 * 10**9,),
    gpu: Any = None, **changes: Any,
) -> dict[str, Any]:  # fmt: skip
    """A node with the fields that are read and some that are not. `gpu` is (vendor, model, count), or as it is sent."""
    if isinstance(gpu, tuple):
        gpu = {"gpu": True, "gpu_vendor": gpu[0], "gpu_model": gpu[1], "gpu_count": gpu[2]}
    return {
        "type": "node", "uid": uid, "node_name": uid, "node_type": node_type, "infiniband": False, "links": [],
        "architecture": {"platform_type": "x86_64", "smp_size": 2, "smt_size": threads},
        "main_memory": {"ram_size": ram, "humanized_ram_size": "?"},
        "storage_devices": [{"device": "sda", "interface": "SATA", "size": size} for size in disks],
        "gpu": gpu, "processor": {"model": "Intel Xeon", "clock_speed": 2600000000}, **changes,
    }  # fmt: skip


def _pages(entries: Sequence[Mapping[str, Any]], most: int) -> Answer:
    def answer(query: Query) -> Any:
        number, size = int(query.get("page", "1")), min(int(query.get("page_size", "100")), most)
        pages = max(1, -(-len(entries) // size))
        if not 1 <= number <= pages:
            return Status(404)
        data = entries[(number - 1) * size : number * size]
        return {"data": list(data), "page": number, "pages": pages, "results": len(entries)}

    return answer


def _window(items: Sequence[Mapping[str, Any]], most: int) -> Answer:
    def answer(query: Query) -> Any:
        offset, limit = int(query.get("offset", "0")), min(int(query.get("limit", "500")), most)
        return {
            "total": len(items), "offset": offset, "items": list(items[offset : offset + limit]), "version": "1",
            "links": [],
        }  # fmt: skip

    return answer


def _handler(server: FactServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            server.asked.append(self.path)
            parts = urlsplit(self.path)
            known = server.answers.get(parts.path)
            answer = known(dict(parse_qsl(parts.query))) if known else Status(404)
            self.close_connection = True
            with suppress(ConnectionError):
                if isinstance(answer, Raw):
                    answer.write(self.wfile)  # type: ignore[arg-type]
                else:
                    self._send(answer)

        def _send(self, answer: Any) -> None:
            status = answer if isinstance(answer, Status) else Status(200)
            body = b"" if isinstance(answer, Status) else json.dumps(answer).encode()
            self.send_response(status.code)
            for name, value in (("Content-Type", "application/json"), *status.headers):
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def handle(self) -> None:
            with suppress(ssl.SSLError, ConnectionError):  # who does not trust us leaves in the middle
                super().handle()

        def log_message(self, *_: object) -> None:
            return None

    return Handler
