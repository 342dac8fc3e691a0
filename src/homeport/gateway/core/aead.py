# SPDX-License-Identifier: Apache-2.0
"""How a body is kept encrypted: a header, then chunks, each sealed for its place in its body (as in STREAM).

    1 byte    version
    8 bytes   which key of the journal
    16 bytes  salt: every body has a key of its own, made of the journal's key, version, key id and salt
    chunks    64 KiB of the body each and a tag of 16 bytes; the last one may be shorter

A chunk's nonce is its number, and whether it is the last. The associated data is whose body it is, so no chunk opens
in another body, at another place, or as the end of a body that was cut.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterator

from homeport.interfaces.secrets import Aead

CHUNK = 64 * 1024
TAG = 16
VERSION = 1
KEY_ID = 8
SALT = 16
HEADER = 1 + KEY_ID + SALT
KEY = 32

Ciphers = Callable[[bytes], Aead]


def header_of(key_id: bytes, salt: bytes) -> bytes:
    return bytes((VERSION,)) + key_id + salt


def key_id_of(header: bytes) -> bytes | None:
    """Which key it was sealed with; None where this is no header of this version."""
    return header[1 : 1 + KEY_ID] if len(header) >= HEADER and header[0] == VERSION else None


def count_of(size: int) -> int:
    """Of chunks in a body of so many bytes; one that is empty has an empty one."""
    return max(1, -(-size // CHUNK))


def sealed_size(size: int) -> int:
    """Bytes that a body of so many takes."""
    return HEADER + size + count_of(size) * TAG


def place_of(number: int) -> int:
    """Where a chunk begins."""
    return HEADER + number * (CHUNK + TAG)


def _nonce(number: int, *, last: bool) -> bytes:
    return number.to_bytes(11, "big") + (b"\1" if last else b"\0")


def _cipher(ciphers: Ciphers, key: bytes, header: bytes) -> Aead:
    return ciphers(hmac.digest(key, header, "sha256"))


class ChunkSealer:
    """Bytes in, sealed chunks out: `header`, then what `feed` gives, then `finish`, once."""

    __slots__ = ("_chunk", "_cipher", "_filled", "_number", "_whose", "header")

    def __init__(self, ciphers: Ciphers, key: bytes, header: bytes, whose: bytes) -> None:
        self.header = header
        self._cipher = _cipher(ciphers, key, header)
        self._whose = whose
        self._number = 0
        self._chunk = memoryview(bytearray(CHUNK))  # filled again and again: large new ones cost more than the cipher
        self._filled = 0

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The chunks that are whole now and have something after them; often none."""
        view = memoryview(data)
        while view:
            if self._filled == CHUNK:
                self._filled = 0
                yield self._seal(self._chunk, last=False)
            taken = min(len(view), CHUNK - self._filled)
            self._chunk[self._filled : self._filled + taken] = view[:taken]
            self._filled += taken
            view = view[taken:]

    def finish(self) -> bytes:
        """The last chunk."""
        return self._seal(self._chunk[: self._filled], last=True)

    def _seal(self, piece: bytes | bytearray | memoryview, *, last: bool) -> bytes:
        sealed = self._cipher.seal(_nonce(self._number, last=last), piece, self._whose)
        self._number += 1
        return sealed


class ChunkOpener:
    """The chunks of a body of `size` bytes, in any order."""

    __slots__ = ("_cipher", "_whose", "count", "size")

    def __init__(self, ciphers: Ciphers, key: bytes, header: bytes, whose: bytes, size: int) -> None:
        self._cipher = _cipher(ciphers, key, header)
        self._whose = whose
        self.size = size
        self.count = count_of(size)

    def length(self, number: int) -> int:
        """Of the sealed chunk."""
        return min(CHUNK, self.size - number * CHUNK) + TAG

    def open(self, number: int, sealed: bytes) -> bytes | None:
        """What it holds; None where it is not this chunk of this body."""
        if len(sealed) != self.length(number):
            return None
        return self._cipher.unseal(_nonce(number, last=number == self.count - 1), sealed, self._whose)


def seal_whole(ciphers: Ciphers, key: bytes, header: bytes, whose: bytes, data: bytes) -> bytes:
    if len(data) <= CHUNK:
        return header + _cipher(ciphers, key, header).seal(_nonce(0, last=True), data, whose)
    sealer = ChunkSealer(ciphers, key, header, whose)
    return b"".join((header, *sealer.feed(data), sealer.finish()))


def open_whole(ciphers: Ciphers, key: bytes, whose: bytes, sealed: bytes) -> bytes | None:
    """What `seal_whole` was given; None where a bit of it is different, or it is someone else's."""
    header, chunks = sealed[:HEADER], -(-(len(sealed) - HEADER) // (CHUNK + TAG))
    size = len(sealed) - HEADER - chunks * TAG
    if size < 0:
        return None
    opener = ChunkOpener(ciphers, key, header, whose, size)
    if opener.count == 1:
        return opener.open(0, sealed[HEADER:])
    pieces = []
    for number in range(opener.count):
        at = place_of(number)
        piece = opener.open(number, sealed[at : at + opener.length(number)])
        if piece is None:
            return None
        pieces.append(piece)
    return b"".join(pieces)
