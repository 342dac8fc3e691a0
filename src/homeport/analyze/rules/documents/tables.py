# SPDX-License-Identifier: Apache-2.0
"""Tables in documents: which of their columns are about GPU memory, and what each row says there."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from homeport.analyze.pattern import late
from homeport.analyze.prose import Sentence

_VIDEO = late(r"(?i)vram|gpu mem|gpu ram|gpu usage|graphics memory|video memory|显存")
_TRAINS = late(r"(?i)train|fine-?tun|lora\b")
_RULED = frozenset("|-: ")
_NAME = late(r"(?=[A-Za-z.+-]{0,40}\d)[\w.+-]{3,60}")
"""With a digit: what is called `small` cannot be told from the word."""


@dataclass(frozen=True, slots=True)
class Row:
    """`video` are the cells under headings that name GPU memory, those about training last; () for none such.

    `favoured`: of all its table's rows, what this one is about is what the document speaks of most.
    """

    sentence: Sentence
    video: tuple[str, ...] = ()
    favoured: bool = False


def rows(sentences: Sequence[Sentence]) -> dict[int, Row]:
    """The rows of all tables by their lines, but for rules and for the headings that tell the columns."""
    told = Counter(word for one in sentences if not one.row for word in _NAME.findall(one.text))
    return {row.sentence.line: row for table in _tables(sentences) for row in _read(table, told)}


def _tables(sentences: Sequence[Sentence]) -> Iterator[list[Sentence]]:
    table: list[Sentence] = []
    for one in sentences:
        if not one.row:
            continue
        if table and one.line != table[-1].line + 1:
            yield table
            table = []
        table.append(one)
    if table:
        yield table


def _read(table: Sequence[Sentence], told: Counter[str]) -> Iterator[Row]:
    head = _cells(table[0])
    columns = [
        place for place, cell in enumerate(head) if _VIDEO.search(cell) and not re.search(r"\d\s?gi?b", cell, re.I)
    ]
    columns.sort(key=lambda place: bool(_TRAINS.search(head[place])))
    body = [one for one in table[1 if columns else 0 :] if not set(one.text) <= _RULED]
    spoken = [max((told[word] for word in _NAME.findall(_cells(one)[0])), default=0) for one in body]
    most = max(spoken, default=0)
    for one, times in zip(body, spoken, strict=True):
        cells = _cells(one)
        video = tuple(cells[place] for place in columns if place < len(cells))
        yield Row(one, video, favoured=times == most and spoken.count(most) == 1)


def _cells(row: Sentence) -> list[str]:
    return [cell.strip() for cell in row.text.strip().removeprefix("|").removesuffix("|").split("|")]
