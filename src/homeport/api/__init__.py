# SPDX-License-Identifier: Apache-2.0
"""The management API under /v1: parse, call app, answer. pydantic lives here and nowhere else.

`create_app` is the whole API, `give_control` changes what is behind it;
`local_door` marks what came over the Unix socket; `end_streams` lets followers go.
"""

from __future__ import annotations

from homeport.api.app import create_app, give_control
from homeport.api.callers import local_door
from homeport.api.streams import end_streams

__all__ = ["create_app", "end_streams", "give_control", "local_door"]
