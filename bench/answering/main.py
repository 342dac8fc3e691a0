# SPDX-License-Identifier: Apache-2.0
"""The least that a Python agent is: a standard-library HTTP server that answers GET /health."""

import os
import socket
from http.server import BaseHTTPRequestHandler, HTTPServer


class Handler(BaseHTTPRequestHandler):
    wbufsize = 65536

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_: object) -> None:
        pass

    def address_string(self) -> str:
        return ""


class OnUnixSocket(HTTPServer):
    address_family = socket.AF_UNIX

    def server_bind(self) -> None:
        self.socket.bind(self.server_address)
        self.server_name, self.server_port = "localhost", 0


if path := os.environ.get("ANSWER_AT"):
    OnUnixSocket(path, Handler).serve_forever()
else:
    HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
