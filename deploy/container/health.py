# SPDX-License-Identifier: Apache-2.0
"""Whether the Homeport in this container takes requests: exit 0 and one line, or 1 and why. Standard library."""

from __future__ import annotations

import os
import socket
import sys

DOORS = {"api.sock": b"/v1/health", "gateway.sock": b"/_gateway/ready"}
TIMEOUT_S = 4.0


def main() -> int:
    home = os.environ.get("HOMEPORT_HOME", "/var/lib/homeport")
    for name, path in DOORS.items():
        try:
            said = ask(f"{home}/run/{name}", path)
        except OSError as error:
            return tell(f"{name}: {error}", 1)
        status, _, body = said.partition(b"\r\n\r\n")
        if b" 200 " not in status.partition(b"\r\n")[0]:
            why = (body or status).decode(errors="replace").strip()
            return tell(f"{name}: {why or 'no answer'}", 1)
    return tell("API and gateway answer", 0)


def tell(text: str, code: int) -> int:
    sys.stdout.write(text + "\n")
    return code


def ask(where: str, path: bytes) -> bytes:
    """The answer, as far as it fits into a page."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(TIMEOUT_S / 2)
        sock.connect(where)
        sock.sendall(b"GET " + path + b" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        return sock.makefile("rb").read(4096)


if __name__ == "__main__":
    sys.exit(main())
