# SPDX-License-Identifier: Apache-2.0
"""What the driver may be told."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Options:
    model: str
    """As the endpoint calls it."""
    base_url: str = ""
    """http(s)://host[:port]/v1; "" is the client's own default, OpenAI's."""
    key: str = field(default="", repr=False)
    """"" for an endpoint that asks for none."""
    deadline: float = 15.0
    """Seconds for one question, its repeats included."""
    retries: int = 2
    """Repeats of a request that may work at another time: no connection, 408, 409, 429, 5xx, a reply that broke off."""
    pause: float = 0.25
    """Seconds before the first repeat, four times as many before each next one, unless the endpoint says how long."""
    reply_bytes: int = 65_536
    """More than this of one reply is not read."""
    answer_tokens: int = 1_000
    """What the endpoint is asked to keep its answer under."""
