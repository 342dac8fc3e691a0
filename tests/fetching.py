# SPDX-License-Identifier: Apache-2.0
"""Git repositories made for tests, and a real smart-HTTP Git server on loopback to read them from."""

from __future__ import annotations

import http.server
import os
import subprocess
import threading
from collections.abc import Mapping
from pathlib import Path

ENV = {
    "PATH": os.environ["PATH"], "HOME": "/nonexistent", "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_AUTHOR_NAME": "A", "GIT_AUTHOR_EMAIL": "a@example.org", "GIT_AUTHOR_DATE": "2026-01-01T00:00:00Z",
    "GIT_COMMITTER_NAME": "A", "GIT_COMMITTER_EMAIL": "a@example.org", "GIT_COMMITTER_DATE": "2026-01-01T00:00:00Z",
}  # fmt: skip


def git(folder: Path, *words: str, data: bytes = b"", fails: bool = False) -> str:
    done = subprocess.run(["git", *words], cwd=folder, env=ENV, input=data, capture_output=True)
    assert fails or done.returncode == 0, done.stderr.decode()
    return done.stdout.decode(errors="replace").strip()


def commit(folder: Path, files: Mapping[str, bytes], message: str = "files") -> str:
    """Make `files` the whole content of the repository at `folder` (created if need be); returns the commit."""
    if not (folder / ".git").exists():
        folder.mkdir(parents=True, exist_ok=True)
        git(folder, "init", "-q", "-b", "main")
        git(folder, "config", "uploadpack.allowFilter", "true")
        git(folder, "config", "uploadpack.allowAnySHA1InWant", "true")
    for path in [path for path in folder.rglob("*") if path.is_file() and ".git" not in path.parts]:
        path.unlink()
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    git(folder, "add", "-A", "-f")
    git(folder, "commit", "-q", "--allow-empty", "-m", message)
    return git(folder, "rev-parse", "HEAD")


def raw_commit(folder: Path, entries: list[tuple[str, str, bytes]], content: bytes = b"x\n") -> str:
    """A commit whose tree is written as it is given: (mode, type, name); what no `git add` would make."""
    folder.mkdir(parents=True, exist_ok=True)
    git(folder, "init", "-q", "-b", "main")
    blob = git(folder, "hash-object", "-w", "--stdin", data=content)
    tree = b""
    for mode, kind, name in entries:
        oid = blob if kind == "blob" else "1" * 40
        tree += mode.lstrip("0").encode() + b" " + name + b"\0" + bytes.fromhex(oid)
    made = git(folder, "hash-object", "-w", "-t", "tree", "--literally", "--stdin", data=tree)
    head = git(folder, "commit-tree", made, "-m", "raw")
    git(folder, "update-ref", "refs/heads/main", head)
    return head


class GitServer:
    """Serves the repositories below `root` by http on loopback; special paths misbehave.

    `/private/…` asks for a password, `/moved/…` redirects to `elsewhere`, `/endless/…` sends for ever.
    """

    def __init__(self, root: Path) -> None:
        self.root, self.asked = root, []
        self.elsewhere = ""
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.0"

            def do_GET(self) -> None:
                outer._answer(self)

            do_POST = do_GET

            def log_message(self, *args: object) -> None:
                """Quiet."""

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _answer(self, handler: http.server.BaseHTTPRequestHandler) -> None:
        self.asked.append(handler.path)
        kind = handler.path.split("/")[1]
        try:
            if kind == "private":
                handler.send_response(401)
                handler.send_header("WWW-Authenticate", 'Basic realm="x"')
                handler.end_headers()
            elif kind == "moved":
                handler.send_response(301)
                handler.send_header("Location", self.elsewhere + handler.path.removeprefix("/moved"))
                handler.end_headers()
            elif kind == "endless":
                self._endless(handler)
            else:
                self._backend(handler)
        except (BrokenPipeError, ConnectionResetError):
            return  # the client left: that is what some tests are about

    def _endless(self, handler: http.server.BaseHTTPRequestHandler) -> None:
        """A proper beginning, then a pack of random bytes without end."""
        if handler.command == "GET":
            handler.path = handler.path.replace("/endless/", "/")
            return self._backend(handler)
        body = handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
        if b"command=ls-refs" in body:
            handler.path = handler.path.replace("/endless/", "/")
            return self._backend(handler, body)
        handler.send_response(200)
        handler.send_header("Content-Type", "application/x-git-upload-pack-result")
        handler.end_headers()
        handler.wfile.write(b"000dpackfile\n")
        # one stored blob that never ends: header, then raw deflate blocks
        stream = b"PACK\0\0\0\2\0\0\0\1" + b"\xbf\xff\xff\xff\x7f" + b"\x78\x01"
        block = b"\x00\xff\xff\x00\x00" + os.urandom(65535)
        while True:
            stream += block
            while len(stream) >= 65000:
                handler.wfile.write(b"%04x\x01" % (65000 + 5) + stream[:65000])
                stream = stream[65000:]

    def _backend(self, handler: http.server.BaseHTTPRequestHandler, body: bytes | None = None) -> None:
        path, _, query = handler.path.partition("?")
        if body is None:
            body = handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
        env = {
            **ENV, "GIT_PROJECT_ROOT": str(self.root), "GIT_HTTP_EXPORT_ALL": "1", "PATH_INFO": path,
            "QUERY_STRING": query, "REQUEST_METHOD": handler.command, "REMOTE_ADDR": "127.0.0.1",
            "CONTENT_TYPE": handler.headers.get("Content-Type", ""), "CONTENT_LENGTH": str(len(body)),
            "HTTP_CONTENT_ENCODING": handler.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": handler.headers.get("Git-Protocol", ""),
        }  # fmt: skip
        done = subprocess.run(["git", "http-backend"], env=env, input=body, capture_output=True)
        head, _, rest = done.stdout.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n") if ": " in line)
        handler.send_response(int(headers.pop("Status", "200").split()[0]))
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(rest)
