# SPDX-License-Identifier: Apache-2.0
"""An encrypted body gives back what was put in, or it says that it was changed: never something else."""

from __future__ import annotations

import os
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from homeport.drivers.secrets.sealed import AesGcm
from homeport.gateway.core.aead import (
    CHUNK,
    HEADER,
    KEY_ID,
    SALT,
    TAG,
    ChunkOpener,
    ChunkSealer,
    header_of,
    key_id_of,
    open_whole,
    place_of,
    seal_whole,
    sealed_size,
)

KEY = os.urandom(32)
WHOSE = b"req_1 request"
BORDERS = [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK - 1, 2 * CHUNK, 2 * CHUNK + 1, 3 * CHUNK + 7]
PATTERN = os.urandom(4 * CHUNK)
sizes = st.sampled_from(BORDERS) | st.integers(0, 3 * CHUNK)


def fresh() -> bytes:
    return header_of(os.urandom(KEY_ID), os.urandom(SALT))


def sealed_of(data: bytes, whose: bytes = WHOSE) -> bytes:
    return seal_whole(AesGcm, KEY, fresh(), whose, data)


@settings(deadline=None)
@given(size=sizes, cuts=st.lists(st.integers(0, 3 * CHUNK), max_size=8))
def test_however_it_comes_in_pieces_it_comes_out_whole(size: int, cuts: list[int]) -> None:
    data, sealer = PATTERN[:size], ChunkSealer(AesGcm, KEY, fresh(), WHOSE)
    places = sorted({0, size, *(cut for cut in cuts if cut < size)})
    chunks = [chunk for a, b in pairwise(places) for chunk in sealer.feed(data[a:b])]
    sealed = b"".join((sealer.header, *chunks, sealer.finish()))
    assert len(sealed) == sealed_size(size)
    assert open_whole(AesGcm, KEY, WHOSE, sealed) == data
    assert key_id_of(sealed) == sealed[1 : 1 + KEY_ID]


@settings(deadline=None)
@given(size=sizes, start=st.integers(0, 4 * CHUNK))
def test_any_chunk_opens_by_itself(size: int, start: int) -> None:
    sealed = sealed_of(PATTERN[:size])
    opener = ChunkOpener(AesGcm, KEY, sealed[:HEADER], WHOSE, size)
    number = min(start // CHUNK, opener.count - 1)
    chunk = sealed[place_of(number) : place_of(number) + opener.length(number)]
    assert opener.open(number, chunk) == PATTERN[:size][number * CHUNK : (number + 1) * CHUNK]


@settings(deadline=None)
@given(size=sizes, where=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_a_bit_that_is_different_is_noticed_wherever_it_is(size: int, where: float, bit: int) -> None:
    sealed = bytearray(sealed_of(PATTERN[:size]))
    sealed[int(where * len(sealed))] ^= 1 << bit
    assert open_whole(AesGcm, KEY, WHOSE, bytes(sealed)) is None


@settings(deadline=None)
@given(size=sizes, left=st.floats(0, 1, exclude_max=True) | st.sampled_from([1, 2]))
def test_what_is_cut_anywhere_is_noticed(size: int, left: float) -> None:
    sealed = sealed_of(PATTERN[:size])
    ends = {1: len(sealed) - TAG, 2: place_of(1)}
    end = min(ends.get(int(left), int(left * len(sealed))), len(sealed) - 1)
    assert open_whole(AesGcm, KEY, WHOSE, sealed[:end]) is None


@settings(deadline=None)
@given(size=sizes, more=st.binary(min_size=1, max_size=64))
def test_what_is_longer_than_it_was_is_noticed(size: int, more: bytes) -> None:
    assert open_whole(AesGcm, KEY, WHOSE, sealed_of(PATTERN[:size]) + more) is None


@settings(deadline=None)
@given(order=st.permutations(range(4)), repeated=st.booleans())
def test_chunks_in_another_order_are_noticed(order: list[int], repeated: bool) -> None:
    data = PATTERN[: 4 * CHUNK]
    sealed = sealed_of(data)
    if repeated:
        order = [order[0], *order[1:-1], order[0]]
    moved = sealed[:HEADER] + b"".join(sealed[place_of(n) : place_of(n + 1)] for n in order)
    found = open_whole(AesGcm, KEY, WHOSE, moved)
    assert found == (data if order == [0, 1, 2, 3] else None)


@settings(deadline=None)
@given(size=sizes)
def test_what_was_sealed_for_another_place_or_with_another_key_does_not_open(size: int) -> None:
    sealed = sealed_of(PATTERN[:size])
    assert open_whole(AesGcm, KEY, b"req_1 response", sealed) is None
    assert open_whole(AesGcm, KEY, b"req_2 request", sealed) is None
    assert open_whole(AesGcm, bytes(32), WHOSE, sealed) is None


def test_a_chunk_of_another_body_with_the_same_key_does_not_open() -> None:
    one, other = sealed_of(PATTERN[: 2 * CHUNK]), sealed_of(PATTERN[: 2 * CHUNK])
    assert open_whole(AesGcm, KEY, WHOSE, one[: place_of(1)] + other[place_of(1) :]) is None


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_what_was_never_sealed_does_not_open(junk: bytes) -> None:
    assert open_whole(AesGcm, KEY, WHOSE, junk) is None
