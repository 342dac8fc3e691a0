# SPDX-License-Identifier: Apache-2.0
"""Documents as sentences, each with its line and the headings above it: what rules about documents read.

Markdown, reStructuredText and plain text alike; markup is taken off, wrapped lines are joined."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate, islice

_LONGEST = 1_200
_MOST = 4_000
_MOST_LINES = 20
_FENCE = re.compile(r"\s{0,12}(?:```|~~~)")
_HEADING = re.compile(r"\s{0,3}(#{1,6})\s{0,8}(\S.*)|\s{0,3}<h([1-6])[^>]{0,80}>(.*)")
_TABLE_ROW = re.compile(r"(?i)</?(?:tr|table|thead|tbody|li|p)\b")
_RULE = re.compile(r"([=\-~^\"*#+])\1{2,200}\s*")
_ITEM = re.compile(r"^\s{0,16}(?:[-*+•]|\d{1,3}[.)])\s+(?=\S)")
_IMAGE = re.compile(r"!\[[^\]\[]{0,300}\]\([^()]{0,600}\)")
_LINK = re.compile(
    r"!?\[([^\]\[]{0,300})\]\([^()\s]{0,500}(?:\([^()\s]{0,100}\)[^()\s]{0,200})?(?:\s\"[^\"]{0,200}\")?\)"
)
_TAG = re.compile(r"</?[A-Za-z][^<>]{0,400}>")
_REF = re.compile(r"\[([^\]\[]{1,200})\](?:\[[^\]\[]{0,100}\])?|`([^`<]{1,300}?)\s?<[^<>`]{1,300}>`_{1,2}")
_MARKS = re.compile(r"\*\*|__|``?|(?<!\w)[*_](?=\w)|(?<=\w)[*_](?!\w)")
_ENTITY = {
    "&ndash;": "-",
    "&nbsp;": " ",
    "&ge;": ">=",
    "&gt;": ">",
    "&lt;": "<",
    "&amp;": "&",
    "\u2013": "-",
    "\u2014": " - ",
}
_ENTITIES = re.compile("|".join(map(re.escape, _ENTITY)))
_END = re.compile(r"(?<=[.!?;])\s+(?=[A-Z`\"(\[])")


@dataclass(frozen=True, slots=True)
class Sentence:
    """`line` counts from 1; `headings` are those above it, outermost first; `code` is a line of a code block.

    `order` counts sentences (without code) from the top of the document.
    """

    text: str
    line: int
    headings: tuple[str, ...] = ()
    code: bool = False
    row: bool = False
    order: int = 0

    @property
    def under(self) -> str:
        """The headings, in one lower-case text."""
        return _joined(self.headings)


@lru_cache(maxsize=512)
def _joined(headings: tuple[str, ...]) -> str:
    return " / ".join(headings).lower()


@dataclass(slots=True)
class _State:
    headings: list[tuple[int, str]]
    order: int = 0


def sentences(lines: Sequence[str]) -> list[Sentence]:
    """All of a document, in order."""
    found: list[Sentence] = []
    state = _State([])
    paragraph: list[tuple[int, str]] = []
    fenced, blank = False, True

    def flush() -> None:
        if paragraph:
            found.extend(_split(paragraph, state))
            paragraph.clear()

    for number, raw in enumerate(lines, 1):
        if len(found) >= _MOST:
            break
        if _FENCE.match(raw):
            flush()
            fenced = not fenced
            continue
        line = raw.strip()[:_LONGEST]
        if fenced or (blank and not paragraph and raw.startswith(("    ", "\t")) and not _ITEM.match(raw)):
            if line:
                found.append(Sentence(line, number, _titles(state), code=True, order=state.order))
            continue
        blank = not line
        if blank or line.startswith(("<!--", "[//]:", ".. ")):
            flush()
            continue
        if heading := _HEADING.match(raw):
            flush()
            _enter(state, int(heading[3] or len(heading[1])), plain(heading[4] or heading[2] or ""))
            found.extend(_split([(number, heading[4] or heading[2] or "")], state))
            continue
        if _RULE.fullmatch(line):
            if len(paragraph) == 1 and len(paragraph[0][1]) < 120:
                _enter(state, 1 if line[0] == "=" else 2, plain(paragraph[0][1]))
            flush()
            continue
        row = line.count("|") >= 2
        if row or _ITEM.match(raw) or _TABLE_ROW.match(line):
            flush()
        if row:
            found.append(Sentence(plain(line), number, _titles(state), row=True, order=state.order))
            continue
        paragraph.append((number, line if paragraph else _ITEM.sub("", raw, count=1).strip()[:_LONGEST]))
        if len(paragraph) >= _MOST_LINES:
            flush()
    flush()
    return found


def plain(text: str) -> str:
    """Without markup: links by their words, no images, no tags, no emphasis."""
    text = text[:_LONGEST]
    if "](" in text:
        text = _LINK.sub(r"\1", _IMAGE.sub("", text))
    if "<" in text:
        text = _TAG.sub(" ", text)
    if "[" in text or "`" in text:
        text = _REF.sub(lambda match: match[1] or match[2], text)
    if "&" in text or "\u2013" in text or "\u2014" in text:
        text = _ENTITIES.sub(lambda match: _ENTITY[match[0]], text)
    return " ".join(_MARKS.sub("", text).split())


def _split(paragraph: Sequence[tuple[int, str]], state: _State) -> Iterator[Sentence]:
    """Its sentences, each with the line it begins on."""
    texts = [plain(text) for _, text in paragraph]
    starts = list(accumulate((len(text) + 1 for text in texts), initial=0))
    whole, at = " ".join(texts), 0
    for end in [*(match.end() for match in islice(_END.finditer(whole), 60)), len(whole)]:
        if text := whole[at:end].strip():
            state.order += 1
            number = paragraph[max(bisect_right(starts, at) - 1, 0)][0]
            yield Sentence(text[:_LONGEST], number, _titles(state), order=state.order)
        at = end


def _titles(state: _State) -> tuple[str, ...]:
    return tuple(title for _, title in state.headings)


def _enter(state: _State, level: int, title: str) -> None:
    while state.headings and state.headings[-1][0] >= level:
        state.headings.pop()
    state.headings.append((level, title[:120]))
