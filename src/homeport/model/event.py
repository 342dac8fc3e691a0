# SPDX-License-Identifier: Apache-2.0
"""Something happened. Events are kept in order and streamed."""

from __future__ import annotations

from dataclasses import dataclass, field

from homeport.model.codec import stored_as


@stored_as("event")
@dataclass(frozen=True, slots=True)
class Event:
    """`type` is dotted and past tense (`agent.started`); `subject` is an agent name, request id, deployment id…

    `id` is an ULID, so that events sort by time and `Last-Event-ID` resumes a stream. `data` holds no secret.
    """

    id: str
    at_us: int
    namespace: str
    type: str
    subject: str
    message: str = ""
    data: dict[str, str | int | float | bool | None] = field(default_factory=dict)
