# SPDX-License-Identifier: Apache-2.0
"""What is said of a process that ended, from what it printed."""

from __future__ import annotations

import pytest

from homeport.serve.keeper.lastwords import MOST, LastWords


def heard(*said: bytes) -> LastWords:
    words = LastWords()
    for piece in said:
        words.add(piece)
    return words


@pytest.mark.parametrize(
    ("said", "cause", "hint"),
    [
        (b"", "", ""),
        (b"\n\n", "", ""),
        (b"WARNING x is lost\nit is away\n\nhint: start it\n", "it is away", "start it"),
        (b"error: the port is taken\n\nhint: choose another\n", "the port is taken", "choose another"),
        (b"the journal is damaged\n", "the journal is damaged", ""),
        (b"Traceback (most recent call last):\n  File x\nOSError: no space\n", "OSError: no space", ""),
        (b"hint: only\n", "", "only"),
        (b"\xff\xfe\x1b[31mred\n", "\ufffd\ufffd [31mred", ""),
    ],
)
def test_the_error_is_told_without_what_came_before_it(said: bytes, cause: str, hint: str) -> None:
    words = heard(said)
    assert (words.cause, words.hint) == (cause, hint)


def test_an_endless_output_is_neither_kept_nor_told_in_full() -> None:
    words = heard(*(b"x" * 65536 for _ in range(3)), b"y" * MOST)
    assert words.cause.startswith("yyy") and len(words.cause) == 400 and words.cause.endswith("...")
