# SPDX-License-Identifier: Apache-2.0
"""The programs of the Runtime suite as one real script, for runtimes that run real programs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from homeport.model.workload import Limits, Workload

SCRIPT = r"""
import http.server, json, os, signal, socket, subprocess, sys, time, uuid
kind, *words = sys.argv[1:]
if kind == "wait-for":
    while not os.path.exists(os.path.join(os.environ["HOMEPORT_DATA"], "go")):
        time.sleep(0.05)
    kind, *words = words

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        body = b"healthy"
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *args):
        pass

def serve():
    address = (os.environ.get("HOST", "127.0.0.1"), int(os.environ["PORT"]))
    http.server.ThreadingHTTPServer(address, Handler).serve_forever()

if kind == "serve":
    serve()
elif kind == "exit":
    sys.exit(int(words[0]))
elif kind == "signal":
    os.kill(os.getpid(), int(words[0]))
    signal.pause()
elif kind == "oom":
    hold = []
    while True:
        hold.append(bytearray(os.urandom(1 << 20)))
elif kind == "print":
    for word in words:
        print(word, flush=True)
    serve()
elif kind == "deaf":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    serve()
elif kind == "environment":
    print(json.dumps(dict(os.environ)))
elif kind == "data":
    path = os.path.join(os.environ["HOMEPORT_DATA"], "kept")
    with open(path, "a") as file:
        file.write("x\n")
    with open(path) as file:
        print(len(file.readlines()))
elif kind == "dial":
    try:
        socket.create_connection((words[0], int(words[1])), 5).close()
    except OSError:
        sys.exit(1)
elif kind == "flood":
    for number in range(int(words[0])):
        print(number, "x" * 100)
elif kind == "noise":
    while True:
        os.write(1, b"y\n" * 30000)
elif kind == "ignore-and-fork":
    marker = uuid.uuid4().hex
    print(marker, flush=True)
    daemon = "import os,signal,time;os.setsid();signal.signal(15,1);time.sleep(600)"
    if os.fork() == 0:
        subprocess.Popen([sys.executable, "-c", daemon, marker])
        os._exit(0)
    os.wait()
elif kind == "forks":
    count = 0
    try:
        while count < 5000:
            if os.fork() == 0:
                signal.pause()
            count += 1
    except OSError as error:
        print("stopped", count, error.errno, flush=True)
    signal.pause()
elif kind == "pid":
    print(os.getpid(), flush=True)
    signal.pause()
"""


def program(folder: Path, kind: str, *words: str, **changes: Any) -> Workload:
    """A workload whose code is `folder`; `log_bytes`, `memory_bytes`, `pids` go to its limits, the rest to itself."""
    folder.mkdir(parents=True, exist_ok=True)
    script = folder / "agent.py"
    if not script.exists():
        script.write_text(SCRIPT)
        script.chmod(0o644)
        folder.chmod(0o755)
    limits = {name: changes.pop(name) for name in ("log_bytes", "memory_bytes", "pids") if name in changes}
    start = ("./no-such-program",) if kind == "missing" else ("python3", "agent.py", kind, *words)
    return Workload(
        start=start, code=str(folder), port=8000, limits=Limits(**{"memory_bytes": 96 << 20, **limits}), **changes
    )
