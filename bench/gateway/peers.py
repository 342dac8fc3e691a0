# SPDX-License-Identifier: Apache-2.0
"""The agent that all of them reach, and the proxies without a memory: nginx, caddy, the stand-in of the seed's way."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from scripts import processes

from bench.gateway.load import Contestant

AGENTS = 100
START_S = 30.0
_NGINX = """
worker_processes {workers};
pid {folder}/{name}.pid;
error_log {folder}/{name}.log crit;
daemon off;
events {{ worker_connections 8192; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  keepalive_requests 1000000000;
  {rest}
}}
"""
_AGENT = "server {{ {listen} location / {{ default_type text/plain; return 200 '{answer}'; }} }}"
_PROXY = """
  upstream agent {{ server unix:{agent}; keepalive 256; keepalive_requests 1000000000; }}
  server {{
    listen 127.0.0.1:{port} backlog=1024;
    location / {{ proxy_pass http://agent; proxy_http_version 1.1; proxy_set_header Connection ""; }}
  }}
"""


@contextmanager
def agents(folder: Path) -> Iterator[tuple[list[Path], Contestant]]:
    """An nginx that answers 100 bytes at once, on as many Unix sockets as there are agents; and the same as nobody's
    proxy, on a port: what wrk and the machine take by themselves.
    """
    sockets = [folder / f"agent-{number}" for number in range(AGENTS)]
    port = free_port()
    listen = " ".join(f"listen {at} backlog=1024;" for at in (f"127.0.0.1:{port}", *(f"unix:{s}" for s in sockets)))
    with _nginx(folder, "agent", 1, _AGENT.format(listen=listen, answer="y" * 100)) as pid:
        wait(lambda: sockets[-1].exists(), "the agent")
        yield sockets, Contestant("agent", port, lambda: (pid, *processes.below(pid)))


@contextmanager
def nginx(folder: Path, agent: Path) -> Iterator[Contestant]:
    """As many workers as there are cores, which is Debian's default; no access log."""
    port = free_port()
    with _nginx(folder, "proxy", "auto", _PROXY.format(agent=agent, port=port)) as pid:
        wait(lambda: listens(port), "nginx")
        yield Contestant("nginx", port, lambda: (pid, *processes.below(pid)))


@contextmanager
def caddy(folder: Path, agent: Path) -> Iterator[Contestant]:
    port, config = free_port(), folder / "Caddyfile"
    config.write_text(
        "{\n admin off\n auto_https off\n}\n"
        f"http://127.0.0.1:{port} {{\n reverse_proxy unix/{agent} {{\n  transport http {{\n"
        "   keepalive_idle_conns_per_host 256\n  }\n }\n}\n"
    )
    env = {"HOME": str(folder), "PATH": os.environ["PATH"]}
    with child(["caddy", "run", "--config", str(config), "--adapter", "caddyfile"], env=env) as pid:
        wait(lambda: listens(port), "caddy")
        yield Contestant("caddy", port, lambda: (pid,))


@contextmanager
def standin(folder: Path, agent: Path) -> Iterator[Contestant]:
    """With a Redis of its own that keeps everything in memory."""
    port, redis = free_port(), free_port()
    program = Path(__file__).with_name("standin.py")
    with ExitStack() as held:
        argv = ["redis-server", "--port", str(redis), "--save", "", "--appendonly", "no", "--dir", str(folder)]
        redis_pid = held.enter_context(child([*argv, "--bind", "127.0.0.1"]))
        wait(lambda: listens(redis), "redis-server")
        pid = held.enter_context(child([sys.executable, str(program), str(port), str(redis), str(agent)]))
        wait(lambda: listens(port), "the stand-in")
        yield Contestant("stand-in", port, lambda: (pid, redis_pid))


def versions() -> dict[str, str]:
    def said(*argv: str) -> str:
        if shutil.which(argv[0]) is None:
            return "none none none"
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        return (done.stdout + done.stderr).strip().splitlines()[0]

    return {
        "nginx": said("nginx", "-v").rpartition("/")[2],
        "caddy": said("caddy", "version").split()[0].removeprefix("v"),
        "redis": said("redis-server", "--version").split()[2].removeprefix("v="),
        "wrk": said("wrk", "-v").split()[1],
    }


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def _nginx(folder: Path, name: str, workers: int | str, rest: str) -> Iterator[int]:
    config = folder / f"{name}.conf"
    config.write_text(_NGINX.format(folder=folder, name=name, workers=workers, rest=rest))
    if os.geteuid() == 0:  # its workers give up their rights
        shutil.chown(folder, "www-data")
    with child(["nginx", "-c", str(config), "-p", str(folder), "-e", str(folder / f"{name}.log")]) as pid:
        yield pid


@contextmanager
def child(argv: Sequence[str], env: dict[str, str] | None = None) -> Iterator[int]:
    child = subprocess.Popen(
        argv, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        yield child.pid
    finally:
        child.send_signal(signal.SIGTERM)
        child.wait(30)


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def wait(ready: Callable[[], bool], what: str, seconds: float = START_S) -> None:
    deadline = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > deadline:
            raise SystemExit(f"{what} did not start within {seconds:.0f} s")
        time.sleep(0.02)
