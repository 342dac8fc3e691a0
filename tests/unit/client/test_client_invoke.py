# SPDX-License-Identifier: Apache-2.0
"""Asking an agent: over the gateway's Unix socket here, over its URL elsewhere."""

from __future__ import annotations

import http.server
import json
import socketserver
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from door_rig import bind_unix, opened_doors
from homeport.client import Client
from homeport.errors import Unavailable, UsageError
from homeport.settings import Settings, find_paths


class Gateway(http.server.BaseHTTPRequestHandler):
    """Answers with what it was asked; `/agent/away/…` is kept."""

    protocol_version = "HTTP/1.1"

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        away = self.path.startswith("/agent/away/")
        said = json.dumps(
            {"path": self.path, "method": self.command, "headers": dict(self.headers), "body": body.decode()}
        )
        self.send_response(202 if away else 200)
        if away:
            self.send_header("Location", "/requests/req_1")
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said.encode())

    do_GET = do_POST = do_PUT = answer

    def log_message(self, *args: object) -> None:
        pass

    def address_string(self) -> str:
        return "test"


class UnixServer(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True


@pytest.fixture
def settings(tmp_path: Path) -> Iterator[Settings]:
    settings = Settings(find_paths({"HOMEPORT_HOME": str(tmp_path / ("long-" * 20))}), namespace="blue")
    settings.paths.create()
    server = UnixServer("unused", Gateway, bind_and_activate=False)
    server.socket.close()
    server.socket = bind_unix(settings.paths.gateway_socket)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield settings
    server.shutdown()
    thread.join()
    server.server_close()


def test_an_agent_is_asked_over_the_local_socket_in_its_namespace(settings: Settings) -> None:
    found = Client(settings).invoke("notes", "POST", "/search?q=a b&x=ü", {"X-Own": "1"}, b"hello", wait=7)
    asked = json.loads(found.body)
    assert (found.status, asked["method"], asked["body"]) == (200, "POST", "hello")
    assert asked["path"] == "/agent/notes/search?q=a%20b&x=%C3%BC"
    assert asked["headers"]["X-Homeport-Namespace"] == "blue"
    assert asked["headers"]["Prefer"] == "wait=7"
    assert asked["headers"]["X-Own"] == "1"


def test_a_kept_request_has_an_id(settings: Settings) -> None:
    found = Client(settings).invoke("away")
    assert (found.status, found.request_id) == (202, "req_1")


@pytest.mark.parametrize("path", ["/\r\nX-Evil: 1", "/a\x00b", "/ HTTP/1.1\r\n\r\n"])
def test_a_path_cannot_smuggle_a_second_request(settings: Settings, path: str) -> None:
    found = Client(settings).invoke("notes", "GET", path)
    assert json.loads(found.body)["path"].startswith("/agent/notes/")
    assert "X-Evil" not in json.loads(found.body)["headers"]


def test_a_header_cannot_smuggle_another_one(settings: Settings) -> None:
    with pytest.raises(UsageError):
        Client(settings).invoke("notes", "GET", "/", {"X-A": "1\r\nX-B: 2"})


def test_without_a_gateway_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="gateway"):
        Client(Settings(find_paths({"HOMEPORT_HOME": str(tmp_path)}))).invoke("notes")


def test_elsewhere_the_gateway_is_found_through_the_api_and_gets_the_token(tmp_path: Path) -> None:
    gateway = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Gateway)
    thread = threading.Thread(target=gateway.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        with opened_doors(tmp_path / "home") as doors:
            doors.control.gateway_listen = f"0.0.0.0:{gateway.server_port}"
            token = doors.token()
            asked = json.loads(Client(doors.remote(token)).invoke("notes", path="x").body)
        assert asked["path"] == "/agent/notes/x"
        assert asked["headers"]["X-Homeport-Token"] == token
    finally:
        gateway.shutdown()
        thread.join()
        gateway.server_close()
