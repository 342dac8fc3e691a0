# SPDX-License-Identifier: Apache-2.0
"""Listening sockets."""

from __future__ import annotations

import os
import socket
from pathlib import Path

from homeport.errors import Conflict, UsageError
from homeport.sockets import short_path


def listen_unix(path: Path) -> socket.socket:
    """A listening socket, 0600. A left-over file of a dead process is replaced; a living one is a `Conflict`."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        with short_path(str(path)) as name:
            if path.exists():
                _refuse_living(name, path)
                path.unlink()
            before = os.umask(0o177)
            try:
                listener.bind(name)
            finally:
                os.umask(before)
            listener.listen(1024)
        return listener
    except BaseException:
        listener.close()
        raise


def _refuse_living(name: str, path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(name)
        except ConnectionRefusedError:
            return
    raise Conflict(f"somebody listens on {path} already", operation="listen", subject=str(path))


def listen_tcp(address: str) -> socket.socket:
    """From `host:port`. Raises `UsageError` for what is no address, `Conflict` when the port is in use."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit():
        raise UsageError(f"{address!r} is not host:port", operation="listen", subject=address)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host.strip("[]"), int(port)))
        listener.listen(1024)
        return listener
    except OSError as error:
        listener.close()
        hint = "set HOMEPORT_GATEWAY_LISTEN to another host:port"
        raise Conflict(
            f"cannot listen on {address}: {error.strerror}", operation="listen", subject=address, hint=hint
        ) from error
