# SPDX-License-Identifier: Apache-2.0
"""Server-sent events as they pass: where one ends, what its id is, and the last of them for those who come back."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from homeport.gateway.core.message import ResponseHead

_BLANK = re.compile(rb"(?>\r\n|\n|\r)(?>\r\n|\n|\r)")
_LINES = re.compile(rb"\r\n|\n|\r")


@dataclass(frozen=True, slots=True)
class EventLimits:
    """How much of a stream is held while it passes (`events`, and `held` bytes of them), and how many bytes of it are
    stored whole; of a longer one what was held is stored."""

    events: int = 1000
    held: int = 256 * 1024
    stored: int = 16 * 1024 * 1024


def is_event_stream(head: ResponseHead) -> bool:
    kind = next((value for name, value in head.headers if name.lower() == b"content-type"), b"")
    return head.status == 200 and kind.partition(b";")[0].strip().lower() == b"text/event-stream"


class EventSplitter:
    """Bytes in, whole events out, each with its blank line; `rest` is what has no end yet."""

    def __init__(self) -> None:
        self.rest = b""
        self._looked = 0

    def feed(self, data: bytes) -> list[bytes]:
        buffer, at, found = self.rest + data, 0, []
        look = self._looked
        while (blank := _BLANK.search(buffer, look)) is not None:
            found.append(buffer[at : blank.end()])
            at = look = blank.end()
        self.rest = buffer[at:]
        self._looked = max(0, len(self.rest) - 3)
        return found


def event_id(event: bytes) -> bytes | None:
    """The id that an event sets; None where it sets none."""
    if b"id" not in event:
        return None
    found = None
    for line in _LINES.split(event.removeprefix(b"\xef\xbb\xbf")):
        name, _, value = line.partition(b":")
        if name == b"id" and b"\0" not in value:
            found = value.removeprefix(b" ")
    return found


class EventLog:
    """The last events of a stream, numbered from 0."""

    def __init__(self, limits: EventLimits) -> None:
        self._limits = limits
        self._splitter = EventSplitter()
        self._events: deque[tuple[bytes | None, bytes]] = deque()
        self._size = 0
        self.dropped = 0
        """How many have been let go: the number of the first that is held."""
        self.lost = False
        """An event was larger than all that may be held: from there on nothing is known."""

    def feed(self, data: bytes) -> None:
        if self.lost:
            return
        for event in self._splitter.feed(data):
            self._add(event)
        if len(self._splitter.rest) > self._limits.held:
            self.lost = True
            self._splitter.rest = b""
            self._events.clear()

    def finish(self) -> None:
        """What came after the last blank line is no event, but was said."""
        if self._splitter.rest and not self.lost:
            self._add(self._splitter.rest)
            self._splitter.rest = b""

    def after(self, last_id: bytes) -> int | None:
        """The number of the event after the one that set this id; None where that is not held."""
        for back, (found, _) in enumerate(reversed(self._events)):
            if found == last_id and not self.lost:
                return self.dropped + len(self._events) - back
        return None

    def since(self, number: int) -> list[bytes] | None:
        """The events from that number on; None where one of them is not held any more."""
        if number < self.dropped or self.lost:
            return None
        return [event for _, event in list(self._events)[number - self.dropped :]]

    def _add(self, event: bytes) -> None:
        self._events.append((event_id(event), event))
        self._size += len(event)
        while len(self._events) > self._limits.events or self._size > self._limits.held:
            self._size -= len(self._events.popleft()[1])
            self.dropped += 1


def offset_after(pieces: Iterable[bytes], last_id: bytes) -> int | None:
    """How many bytes of a stored stream end with the event that set this id; None where none did."""
    splitter, at, found = EventSplitter(), 0, None
    for piece in pieces:
        for event in splitter.feed(piece):
            at += len(event)
            if event_id(event) == last_id:
                found = at
    return found
