# SPDX-License-Identifier: Apache-2.0
"""Whether both doors of the Homeport in this container answer: exit 0 and one line, or 1 and why. Standard library."""

from __future__ import annotations

import os
import socket
import sys

DOORS = {"api.sock": b"/v1/health", "gateway.sock": b"/_gateway/status"}
TIMEOUT_S = 4.0


def main() -> int:
    home = os.environ.get("HOMEPORT_HOME", "/var/lib/homeport")
    for name, path in DOORS.items():
        try:
            said = ask(f"{home}/run/{name}", path)
        except OSError as error:
            return tell(f"{name}: {error}", 1)
        if b" 200 " not in said:
            return tell(f"{name}: {said.decode(errors='replace').strip() or 'no answer'}", 1)
    return tell("API and gateway answer", 0)


def tell(text: str, code: int) -> int:
    sys.stdout.write(text + "\n")
    return code


def ask(where: str, path: bytes) -> bytes:
    """The first line of the answer."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(TIMEOUT_S / 2)
        sock.connect(where)
        sock.sendall(b"GET " + path + b" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        return sock.makefile("rb").readline(200)


if __name__ == "__main__":
    sys.exit(main())
