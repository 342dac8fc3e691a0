# SPDX-License-Identifier: Apache-2.0
"""Encrypted bodies: in one piece beside their request, or as a file that is read chunk by chunk.

All of it happens in the event loop: the cipher takes 5 µs for a chunk, and the library holds the interpreter's lock
meanwhile, so that a thread would only add the handing over.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import BinaryIO

from homeport.gateway.core.aead import CHUNK as SEALED_CHUNK
from homeport.gateway.core.aead import (
    HEADER,
    ChunkOpener,
    ChunkSealer,
    open_whole,
    place_of,
    seal_whole,
    sealed_size,
)
from homeport.gateway.sealing.keys import Keys, changed
from homeport.model.request import Body

SUFFIX = ".sealed"
"""Of the names of files that hold encrypted bodies."""


def seal_body(keys: Keys, data: bytes, whose: str) -> bytes:
    """As it is kept beside its request. What is empty, or comes while encryption is off, is the same."""
    key = keys.current
    if key is None or not data:
        return data
    return seal_whole(keys.ciphers, key.secret, key.header(), whose.encode(), data)


def chunk_sealer(keys: Keys, whose: str) -> ChunkSealer | None:
    """For one that becomes a file; None while encryption is off."""
    key = keys.current
    return None if key is None else ChunkSealer(keys.ciphers, key.secret, key.header(), whose.encode())


async def open_body(keys: Keys, body: Body, whose: str) -> bytes:
    """What was said. Raises as `Sealing.unseal`."""
    if not body.size and not body.inline:
        return b""
    if len(body.inline) != sealed_size(body.size):
        raise changed("it has another length")
    key = await keys.of_header(body.inline[:HEADER])
    plain = open_whole(keys.ciphers, key.secret, whose.encode(), body.inline)
    if plain is None:
        raise changed("its bytes")
    return plain


async def open_head(keys: Keys, sealed: bytes, size: int, whose: str) -> bytes:
    """What the whole chunks hold that are in the first bytes of a body of `size`."""
    opener = await _opener(keys, sealed[:HEADER], size, whose)
    pieces = []
    for number in range(opener.count):
        chunk = sealed[place_of(number) : place_of(number) + opener.length(number)]
        if len(chunk) < opener.length(number) and number:
            break
        pieces.append(_opened(opener, number, chunk))
    return b"".join(pieces)


async def open_file(keys: Keys, file: BinaryIO, size: int, whose: str, start: int) -> Iterator[bytes]:
    """The body from byte `start` on, a chunk at a time; the first one has been opened when this returns. The file is
    closed at the end of it, well or not."""
    try:
        if os.fstat(file.fileno()).st_size != sealed_size(size):
            raise changed("it has another length")
        opener = await _opener(keys, file.read(HEADER), size, whose)
        chunks = _chunks(file, opener, start)
        next(chunks)
    except BaseException:
        file.close()
        raise
    return chunks


def head_size(size: int, limit: int) -> int:
    """How many bytes of a sealed body hold the first `limit` of it."""
    return min(sealed_size(size), place_of(-(-limit // SEALED_CHUNK)))


async def _opener(keys: Keys, header: bytes, size: int, whose: str) -> ChunkOpener:
    key = await keys.of_header(header)
    return ChunkOpener(keys.ciphers, key.secret, header, whose.encode(), size)


def _chunks(file: BinaryIO, opener: ChunkOpener, start: int) -> Iterator[bytes]:
    """b"" first, when the first chunk is open."""
    number, skipped = divmod(start, SEALED_CHUNK)
    with file:
        file.seek(place_of(number))
        if number >= opener.count:
            yield b""
            return
        piece = _opened(opener, number, file.read(opener.length(number)))
        yield b""
        yield piece[skipped:]
        for later in range(number + 1, opener.count):
            yield _opened(opener, later, file.read(opener.length(later)))


def _opened(opener: ChunkOpener, number: int, sealed: bytes) -> bytes:
    piece = opener.open(number, sealed)
    if piece is None:
        raise changed(f"from its byte {number * SEALED_CHUNK} on")
    return piece
