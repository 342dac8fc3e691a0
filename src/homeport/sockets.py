# SPDX-License-Identifier: Apache-2.0
"""How an address is reached: `unix:/path`, `tcp:host:port`, and `netns:/path:port`, loopback of a container.

Standard library only, and little of it at import: the keeper uses it too.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LONGEST_PATH = 107
"""Bytes of a Unix socket's path that the kernel takes."""
_CLONE_NEWNET = 0x40000000


@contextmanager
def short_path(path: str | Path) -> Iterator[str]:
    """A name of at most 107 bytes for `path`, good while the context lasts. Raises OSError for a missing folder."""
    text = str(path)
    if len(os.fsencode(text)) <= LONGEST_PATH:
        yield text
        return
    folder, name = os.path.split(text)
    descriptor = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{descriptor}/{name}"
    finally:
        os.close(descriptor)


async def dial(endpoint: str) -> socket.socket:
    """A connected, non-blocking socket to `endpoint`; the caller owns it.

    Raises OSError where nobody answers there (a namespace that is gone refuses, as its listener would), and for
    what is no endpoint. Set a time-out around it.
    """
    import asyncio

    loop = asyncio.get_running_loop()
    kind, _, address = endpoint.partition(":")
    if kind == "unix" and address.startswith("/"):
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        try:
            with short_path(address) as path:
                await loop.sock_connect(sock, path)
        except BaseException:
            sock.close()
            raise
        return sock
    host, _, port = address.rpartition(":")
    if kind not in ("tcp", "netns") or not host or not port.isdigit():
        raise OSError(f"{endpoint!r} is not an endpoint")
    if kind == "netns":
        sock = socket_in(host)
        host = "127.0.0.1"
    else:
        host = host.strip("[]")
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        sock = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        await loop.sock_connect(sock, (host, int(port)))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except BaseException:
        sock.close()
        raise
    return sock


def socket_in(namespace: str) -> socket.socket:
    """A new TCP socket that lives in the network namespace at the path `namespace`, whoever uses it then.

    Only the calling thread is elsewhere, for the time of three system calls. Raises ConnectionRefusedError where the
    namespace is gone, PermissionError without CAP_SYS_ADMIN.
    """
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    try:
        there = os.open(namespace, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        raise ConnectionRefusedError(f"the container behind {namespace} is gone") from None
    here = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        if libc.setns(there, _CLONE_NEWNET) != 0:
            error = ctypes.get_errno()
            if error == 22:  # EINVAL: a plain file, left where a namespace was mounted
                raise ConnectionRefusedError(f"the container behind {namespace} is gone")
            raise OSError(error, os.strerror(error), namespace)
        try:
            return socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        finally:
            if libc.setns(here, _CLONE_NEWNET) != 0:
                os.abort()  # a thread lost in an agent's namespace must not go on
    finally:
        os.close(there)
        os.close(here)
