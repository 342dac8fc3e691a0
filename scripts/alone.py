# SPDX-License-Identifier: Apache-2.0
"""Run a command in a network namespace with nothing but loopback: no service to lean on, no way out.

Where this user may not make one, says so and runs the command as it is. `alone.py COMMAND ARGUMENT...`
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import socket
import struct
import sys

CLONE_NEWNET = 0x40000000
SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 0x1


def enter() -> None:
    """Raises OSError where it is not permitted."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        flags = struct.unpack("16xH", fcntl.ioctl(sock, SIOCGIFFLAGS, struct.pack("16sH", b"lo", 0)))[0]
        fcntl.ioctl(sock, SIOCSIFFLAGS, struct.pack("16sH", b"lo", flags | IFF_UP))


if __name__ == "__main__":
    try:
        enter()
        print("only loopback: no network, no other service", flush=True)
    except OSError as error:
        print(f"with this machine's network: no namespace of our own ({error.strerror})", flush=True)
    os.execvp(sys.argv[1], sys.argv[1:])
