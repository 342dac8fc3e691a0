# SPDX-License-Identifier: Apache-2.0
"""Listening Unix sockets of the keeper and its agents."""

from __future__ import annotations

import os
import socket
from pathlib import Path

from homeport.sockets import short_path


def listen_unix(path: Path, backlog: int = 512) -> socket.socket:
    """A listening socket at `path`, 0600; a stale one is replaced. The caller holds the lock that makes it stale."""
    listener = socket.socket(socket.AF_UNIX)
    path.unlink(missing_ok=True)
    mask = os.umask(0o177)
    try:
        with short_path(path) as name:
            listener.bind(name)
        listener.listen(backlog)
    except OSError:
        listener.close()
        raise
    finally:
        os.umask(mask)
    listener.setblocking(False)
    return listener
