# SPDX-License-Identifier: Apache-2.0
"""A health check by HTTP/1.1, over a Unix or a TCP socket.

Belongs here: one GET, bounded in time and bytes, against an agent that may be hostile or broken.
Does not belong here: when to probe, and what a failure means (see `run` and `watch`).
Reads the status line and nothing after it, so endless headers and bodies cost nothing.
"""

from homeport.drivers.probes.http.probe import HttpProbe

__all__ = ["HttpProbe"]
