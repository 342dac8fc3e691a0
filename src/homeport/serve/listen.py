# SPDX-License-Identifier: Apache-2.0
"""What a child of the keeper inherits: listening sockets, and a pipe to say that it is up."""

from __future__ import annotations

import os
import socket

FDS = "HOMEPORT_FDS"
READY = "HOMEPORT_READY_FD"


def inherited() -> dict[str, socket.socket]:
    """Listening sockets by name (`api`, `api_unix`; `gateway`, `gateway_unix`), non-blocking; {} without a keeper.

    They are the keeper's too: closing one here closes nothing for clients, who wait until the next child accepts.
    Call it once: the variable is taken out of the environment, so that no child of ours finds foreign descriptors.
    """
    found = {}
    for entry in os.environ.pop(FDS, "").split(","):
        name, separator, number = entry.partition("=")
        if separator:
            os.set_inheritable(int(number), False)
            found[name] = socket.socket(fileno=int(number))
            found[name].setblocking(False)
    return found


def ready() -> None:
    """Tell the keeper that this process answers. Without a keeper, or the second time, it does nothing."""
    number = os.environ.pop(READY, "")
    if number:
        try:
            os.write(int(number), b"ready\n")
        except BrokenPipeError:
            return  # the keeper is going down; its own signal follows
        finally:
            os.close(int(number))
