# SPDX-License-Identifier: Apache-2.0
"""Git repositories made for tests, and a real smart-HTTP Git server on loopback to read them from."""

from __future__ import annotations

import hashlib
import http.server
import os
import subprocess
import threading
import zlib
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
    parts = []
    for mode, kind, name in entries:
        oid = blob if kind == "blob" else "1" * 40
        parts.append(mode.lstrip("0").encode() + b" " + name + b"\0" + bytes.fromhex(oid))
    tree = b"".join(parts)
    made = git(folder, "hash-object", "-w", "-t", "tree", "--literally", "--stdin", data=tree)
    head = git(folder, "commit-tree", made, "-m", "raw")
    git(folder, "update-ref", "refs/heads/main", head)
    return head


class GitServer:
    """Serves the repositories below `root` by http on loopback; special paths misbehave.

    `/private/…` asks for a password, `/moved/…` redirects to `elsewhere`, `/endless/…` sends for ever, `/drip/…` a byte
    at a time, `/inflating/…` what grows a thousandfold when it is unpacked, `/delta/…` an object that grows to 8 GiB,
    `/branches/…` names of branches without end, `/page/…` a page for people.
    """

    def __init__(self, root: Path) -> None:
        self.root, self.asked = root, []
        self.elsewhere = ""
        self._closing = threading.Event()
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
        self._closing.set()
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
            elif kind in ("drip", "inflating", "delta", "branches", "page"):
                getattr(self, f"_{kind}")(handler)
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

    def _drip(self, handler: http.server.BaseHTTPRequestHandler) -> None:
        self._begin(handler, "application/x-git-upload-pack-advertisement")
        handler.wfile.write(b"001e# service=git-upload-pack\n0000")
        while not self._closing.wait(0.02):
            handler.wfile.write(b"0")
            handler.wfile.flush()

    def _inflating(self, handler: http.server.BaseHTTPRequestHandler) -> None:
        self._begin(handler, "application/x-git-upload-pack-advertisement", "Content-Encoding: gzip")
        packer = zlib.compressobj(9, wbits=31)
        packed = packer.compress(b"001e# service=git-upload-pack\n0000") + packer.flush(zlib.Z_FULL_FLUSH)
        handler.wfile.write(packed)
        again = packer.compress(bytes(1 << 22)) + packer.flush(
            zlib.Z_FULL_FLUSH
        )  # the same each time: stands by itself
        while True:
            handler.wfile.write(again)

    def _branches(self, handler: http.server.BaseHTTPRequestHandler) -> None:
        self._begin(handler, "application/x-git-upload-pack-advertisement")
        handler.wfile.write(b"001e# service=git-upload-pack\n0000")
        number = 0
        while True:
            lines = [f"{'1' * 40} refs/heads/{n:0200}\n".encode() for n in range(number, number + 500)]
            handler.wfile.write(b"".join(b"%04x" % (len(line) + 4) + line for line in lines))
            number += 500

    def _delta(self, handler: http.server.BaseHTTPRequestHandler) -> None:
        """A proper beginning, then a pack of two objects: the second copies the first 131,072 times."""
        if (body := self._until_fetch(handler, "delta")) is None:
            return
        del body
        copies = (8 << 30) // 65536
        delta = _varint(65536) + _varint(8 << 30) + b"\x80" * copies
        base = _head(3, 65536) + zlib.compress(bytes(65536))
        pack = b"PACK\0\0\0\2\0\0\0\2" + base + _head(6, len(delta)) + _offset(len(base)) + zlib.compress(delta, 9)
        pack += hashlib.sha1(pack).digest()
        self._begin(handler, "application/x-git-upload-pack-result")
        handler.wfile.write(b"000dpackfile\n")
        for at in range(0, len(pack), 60000):
            part = pack[at : at + 60000]
            handler.wfile.write(b"%04x\x01" % (len(part) + 5) + part)
        handler.wfile.write(b"0000")

    def _page(self, handler: http.server.BaseHTTPRequestHandler) -> None:
        self._begin(handler, "text/html")
        handler.wfile.write(b"<html>\x1b]0;owned\x07 sign in</html>")

    @staticmethod
    def _begin(handler: http.server.BaseHTTPRequestHandler, kind: str, *headers: str) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", kind)
        for header in headers:
            handler.send_header(*header.split(": ", 1))
        handler.end_headers()

    def _until_fetch(self, handler: http.server.BaseHTTPRequestHandler, kind: str) -> bytes | None:
        """The body of the request for objects; None for those before it, which are answered."""
        body = handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
        if handler.command == "GET" or b"command=ls-refs" in body:
            handler.path = handler.path.replace(f"/{kind}/", "/")
            self._backend(handler, body)
            return None
        return body

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


def _varint(number: int) -> bytes:
    """As deltas write their sizes: seven bits at a time, the lowest first."""
    parts = bytearray()
    while number > 0x7F:
        parts.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*parts, number])


def _head(kind: int, size: int) -> bytes:
    """The head of an object in a pack."""
    first, size = kind << 4 | size & 0xF, size >> 4
    return bytes([first | 0x80]) + _varint(size) if size else bytes([first])


def _offset(back: int) -> bytes:
    """How far back the base of a delta lies."""
    parts = [back & 0x7F]
    while back := back >> 7:
        back -= 1
        parts.append(back & 0x7F | 0x80)
    return bytes(reversed(parts))
