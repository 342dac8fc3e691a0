# SPDX-License-Identifier: Apache-2.0
"""Dependencies are really installed, through the proxy of this machine, by an installer that runs what it is given."""

from __future__ import annotations

import http.server
import io
import json
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from homes import Home

pytestmark = pytest.mark.timeout(120)

BACKEND = r"""
import glob, json, os, socket, zipfile
HOME = "%s"

def attempt(action):
    try:
        return str(action())
    except OSError as error:
        return type(error).__name__

def build_wheel(folder, config=None, metadata=None):
    found = {
        "certificate": attempt(lambda: open(os.environ["SSL_CERT_FILE"]).read()),
        "home": attempt(lambda: os.listdir(HOME)),
        "key": attempt(lambda: open(HOME + "/config/secrets.key").read()),
        "keeper": attempt(lambda: socket.socket(socket.AF_UNIX).connect(HOME + "/run/keeper.sock")),
        "user": os.getuid(),
        "programs": len([name for name in os.listdir("/proc") if name.isdigit()]) < 20,
        "link": attempt(lambda: os.symlink(HOME, "/app/link")),
        "secrets": [name for name in os.environ if "TOKEN" in name or "SECRET" in name],
    }
    files = {
        "tiny.py": "FOUND = " + repr(json.dumps(found)),
        "tiny-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n",
        "tiny-1.0.dist-info/WHEEL": "Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    files["tiny-1.0.dist-info/RECORD"] = "".join(name + ",,\n" for name in files)
    with zipfile.ZipFile(folder + "/tiny-1.0-py3-none-any.whl", "w") as wheel:
        for name, text in files.items():
            wheel.writestr(name, text)
    return "tiny-1.0-py3-none-any.whl"
"""
PROJECT = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
MAIN = """
import http.server, os, tiny
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.send_header("Content-Length", str(len(tiny.FOUND))); self.end_headers()
        self.wfile.write(tiny.FOUND.encode())
    def log_message(self, *args): pass
http.server.HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""


@pytest.fixture
def proxy(home: Home) -> Iterator[str]:
    """The only way to `http://index.invalid`, where one package is, with a build of its own."""
    packed = io.BytesIO()
    texts = {"backend.py": BACKEND % home.folder, "pyproject.toml": PROJECT, "PKG-INFO": "Name: tiny\nVersion: 1.0\n"}
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, text in texts.items():
            entry = tarfile.TarInfo(f"tiny-1.0/{name}")
            entry.size = len(text.encode())
            archive.addfile(entry, io.BytesIO(text.encode()))

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            page = self.path == "http://index.invalid/simple/tiny/"
            body = b'<a href="/tiny-1.0.tar.gz">tiny-1.0.tar.gz</a>' if page else packed.getvalue()
            self.send_response(200 if page or self.path == "http://index.invalid/tiny-1.0.tar.gz" else 404)
            self.send_header("Content-Type", "text/html" if page else "application/gzip")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_package_comes_through_the_proxy_and_what_it_runs_finds_nothing(home: Home, proxy: str) -> None:
    certificate = home.folder.parent / "company.pem"
    certificate.write_text("trust me")
    certificate.chmod(0o644)
    folder = home.agent(code=MAIN)
    (folder / "requirements.txt").write_text(
        "--index-url http://index.invalid/simple\n--trusted-host index.invalid\ntiny\n"
    )
    home.run("up", str(folder), "--name", "agent", http_proxy=proxy, SSL_CERT_FILE=str(certificate), A_TOKEN="hush")
    found = json.loads(home.ask("/")[1])
    if not next(check["ok"] for check in home.json("doctor")["checks"] if check["name"] == "bubblewrap"):
        pytest.skip("no sandbox here: the walls are not up")
    assert found["certificate"] == "trust me"
    assert {found["home"], found["key"], found["keeper"]} <= {"FileNotFoundError", "PermissionError"}
    assert found["user"] != 0 and found["programs"] and found["secrets"] == []
    home.run("remove", "agent", "--yes")
    assert not list((home.folder / "state" / "agents").iterdir())
    assert (home.folder / "config" / "secrets.key").exists() and Path("/etc/passwd").exists()
