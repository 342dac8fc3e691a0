# SPDX-License-Identifier: Apache-2.0
"""A `homeport serve` of a benchmark's own: its folder, its ports, started and ended by it."""

from __future__ import annotations

import os
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from scripts import processes

from bench.measure import HOMEPORT, output


@dataclass(frozen=True)
class Served:
    home: Path
    env: dict[str, str]
    keeper: int

    def command(self, *args: str) -> str:
        return output([str(HOMEPORT), *args], self.env)


@contextmanager
def served() -> Iterator[Served]:
    """Running and ready; on leaving, stopped and its folder removed. Raises SystemExit if something is left."""
    from scripts.clean import clean

    home = Path(tempfile.mkdtemp(prefix="hp-bench-"))
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as two:
        ports = one.getsockname()[1], two.getsockname()[1]
    env = {k: v for k, v in os.environ.items() if not k.startswith("HOMEPORT_")} | {
        "HOMEPORT_HOME": str(home),
        "HOMEPORT_API_LISTEN": f"127.0.0.1:{ports[0]}",
        "HOMEPORT_GATEWAY_LISTEN": f"127.0.0.1:{ports[1]}",
    }
    try:
        output([str(HOMEPORT), "serve", "--detach"], env)
        yield Served(home, env, processes.keeper_of(home))
    finally:
        if left := clean(home):
            raise SystemExit("left behind:\n" + "\n".join(left))
