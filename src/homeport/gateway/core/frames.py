# SPDX-License-Identifier: Apache-2.0
"""Just enough of WebSocket frames (RFC 6455, section 5) to end a tunnel between two of them and tell how it ended."""

from __future__ import annotations

GOING_AWAY = 1001
_CLOSE = 0x8
_LONGEST_HEAD = 14


class Frames:
    """Counts through the frames of one direction, whatever is in them; keeps at most an unfinished frame head."""

    __slots__ = ("_head", "_left", "closed")

    def __init__(self) -> None:
        self._head = b""
        self._left = 0
        self.closed = False
        """Whether a Close frame has begun: what ends after it ends in order."""

    @property
    def at_border(self) -> bool:
        """Whether the last frame was whole: another one may be put here."""
        return not self._head and not self._left

    def feed(self, data: bytes, *, stop: bool = False) -> int:
        """How many of these bytes were counted: all of them; with `stop` no more than up to the next border."""
        at, size = 0, len(data)
        while at < size:
            if self._left:
                step = min(self._left, size - at)
                self._left -= step
                at += step
            else:
                at += self._begin(data[at : at + _LONGEST_HEAD])
            if stop and self.at_border:
                return at
        return size

    def _begin(self, piece: bytes) -> int:
        """Read a frame's head, or as much of it as there is; returns the bytes it took of `piece`."""
        known = self._head + piece
        if len(known) < 2:
            self._head = known
            return len(piece)
        short = known[1] & 0x7F
        extended = {126: 2, 127: 8}.get(short, 0)
        need = 2 + extended + (4 if known[1] & 0x80 else 0)
        if len(known) < need:
            self._head = known
            return len(piece)
        taken = need - len(self._head)
        self._head = b""
        self._left = int.from_bytes(known[2 : 2 + extended], "big") if extended else short
        if known[0] & 0x0F == _CLOSE:
            self.closed = True
        return taken


def close_frame(code: int, reason: str, *, mask: bytes = b"") -> bytes:
    """A Close frame; towards an agent it carries a `mask` of four bytes, as everything that clients send."""
    payload = code.to_bytes(2, "big") + reason.encode()[:123]
    if not mask:
        return bytes((0x80 | _CLOSE, len(payload))) + payload
    masked = bytes(byte ^ mask[n % 4] for n, byte in enumerate(payload))
    return bytes((0x80 | _CLOSE, 0x80 | len(payload))) + mask + masked
