# SPDX-License-Identifier: Apache-2.0
"""A gateway under its keeper, without a control plane: whoever made it tells it its routes."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from homeport.gateway.control_client import GatewayControl
from homeport.model.route import Grant, Route, RoutingTable
from homeport.sockets import short_path

TOKEN = "hp_bench-not-a-secret"
START_S = 60.0
_PROGRAM = """
import sys
import homeport.serve.keeper.children as children
from homeport.serve.keeper.__main__ import CHILDREN, main
if float(sys.argv[1]):
    children.FIRST_DELAY = children.LAST_DELAY = float(sys.argv[1])
sys.exit(main(sys.argv[2:], {"gateway": CHILDREN["gateway"]}))
"""


class GateHouse:
    """`with GateHouse(home) as house`. The listening sockets are the keeper's: they outlive a killed gateway.

    `delay`: seconds until the keeper starts a gateway that was killed; 0 leaves it as it is, which is patient with
    one that ends often.
    """

    def __init__(
        self, home: Path, *, database_url: str = "", delay: float = 0.0, environ: Mapping[str, str] | None = None
    ) -> None:
        self.home = home
        self._environ = environ or {}
        self._url, self._delay = database_url, delay
        self._keeper: subprocess.Popen[bytes] | None = None
        self._revision = 0
        self.control = GatewayControl(home / "run" / "gateway.sock", timeout=60.0)
        self.port = 0

    def __enter__(self) -> GateHouse:
        self.home.mkdir(parents=True, exist_ok=True)
        env = {name: value for name, value in os.environ.items() if not name.startswith("HOMEPORT_")}
        env |= {"HOMEPORT_HOME": str(self.home), "HOMEPORT_API_LISTEN": "127.0.0.1:0"}
        env |= {"HOMEPORT_GATEWAY_LISTEN": "127.0.0.1:0"} | dict(self._environ)
        if self._url:
            env |= {"HOMEPORT_DATABASE_URL": self._url, "HOMEPORT_NODE": "bench"}
        told, ready = os.pipe()
        try:
            with (self.home / "keeper.log").open("ab") as log:
                self._keeper = subprocess.Popen(
                    [sys.executable, "-c", _PROGRAM, str(self._delay), "--ready-fd", str(ready)],
                    env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log, pass_fds=(ready,),
                )  # fmt: skip
        finally:
            os.close(ready)
        try:
            with os.fdopen(told) as lines:
                said = lines.readline().strip()
            if said != "ready":
                log = (self.home / "keeper.log").read_text()[-2000:]
                raise SystemExit(f"the gateway did not start: {said}\n{log}")
            self.port = int(self._status()["listen"]["gateway"].rpartition(":")[2])
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """End gateway and keeper in order. Idempotent."""
        keeper, self._keeper = self._keeper, None
        if keeper is None:
            return
        if keeper.poll() is None:
            keeper.send_signal(signal.SIGTERM)
        try:
            keeper.wait(30)
        except subprocess.TimeoutExpired:
            keeper.kill()  # the gateway hears of it from the kernel
            keeper.wait()
            raise SystemExit(f"the keeper of {self.home} did not end within 30 s") from None

    def gateway_pid(self) -> int:
        """0 while it is between two lives."""
        return int(self._status()["processes"]["gateway"]["pid"])

    def kill_gateway(self) -> bool:
        """SIGKILL, whatever it is doing just now; False where there was none to kill."""
        pid = self.gateway_pid()
        if not pid:
            return False
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            return False
        return True

    def table(self, *routes: Route) -> RoutingTable:
        """These routes, newer than every table before; callers come with `TOKEN`."""
        self._revision = max(self._revision + 1, time.time_ns() // 1000)
        grant = Grant(hashlib.sha256(TOKEN.encode()).hexdigest(), "tok_bench", "default", ("*",))
        return RoutingTable(self._revision, routes, (grant,))

    def _status(self) -> dict[str, dict[str, dict[str, str]]]:
        """What the keeper says of its processes."""
        path = self.home / "run" / "keeper.sock"
        with socket.socket(socket.AF_UNIX) as sock, short_path(str(path)) as name:
            sock.settimeout(START_S)
            sock.connect(name)
            sock.sendall(b'{"id":1,"op":"status"}\n')
            with sock.makefile("rb") as lines:
                answer: dict[str, dict[str, dict[str, dict[str, str]]]] = json.loads(lines.readline())
        return answer["ok"]
