# SPDX-License-Identifier: Apache-2.0
"""Answers with what was sent. Standard library only.

GET /health · anything else: {"greeting", "method", "path", "body"}
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

HOST = os.environ.get("HOST", "127.0.0.1")  # another one where the gateway comes over a network
PORT = int(os.environ.get("PORT", "8080"))
GREETING = os.environ.get("ECHO_GREETING", "hello")
LOG = os.environ.get("ECHO_LOG", "on") == "on"
SLOW_S = min(max(float(os.environ.get("ECHO_SLOW_MS", "0")) / 1000, 0.0), 60.0)
LONGEST_BODY = 1 << 20


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = 75

    def do_GET(self) -> None:
        if self.path == "/health":
            self.answer(200, {"ok": True})
            return
        length = self.headers.get("Content-Length", "0")
        if not length.isascii() or not length.isdigit() or int(length) > LONGEST_BODY:
            self.close_connection = True
            self.answer(400, {"error": "send a body of at most 1 MiB with a Content-Length"})
            return
        body = self.rfile.read(int(length)).decode(errors="replace")
        time.sleep(SLOW_S)
        self.answer(200, {"greeting": GREETING, "method": self.command, "path": self.path, "body": body})

    do_POST = do_PUT = do_PATCH = do_DELETE = do_GET

    def answer(self, status: int, document: object) -> None:
        data = json.dumps(document).encode() + b"\n"
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:
        if LOG and self.path != "/health":
            print(format % args, flush=True)


def main() -> int:
    server = ThreadingHTTPServer((HOST, PORT), Handler)

    def stop(*_: object) -> None:
        threading.Thread(target=server.shutdown).start()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    print(f"echo-http listens on port {PORT}", flush=True)
    server.serve_forever(poll_interval=0.1)
    server.server_close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
