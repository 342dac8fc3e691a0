# SPDX-License-Identifier: Apache-2.0
"""Why a value is what it is."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

T = TypeVar("T")


class Origin(StrEnum):
    """Who said it. Earlier members win over later ones where they disagree."""

    USER = "user"
    MANIFEST = "manifest"
    DOCUMENTED = "documented"
    CONTAINER = "container"
    DEPENDENCY = "dependency"
    CODE = "code"
    LLM = "llm"
    DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class Evidence:
    """One line of one file that one rule read. `line` counts from 1; 0 means the file as a whole.

    `quote` is at most 160 characters, printable, and hostile text: show it, never interpret it.
    """

    file: str
    line: int
    rule: str
    confidence: float
    quote: str = ""


@dataclass(frozen=True, slots=True)
class Inferred(Generic[T]):
    """A value, who said it, and the evidence for it, strongest first. `note` says what lost to it and why, or why it is
    assumed."""

    value: T
    origin: Origin
    evidence: tuple[Evidence, ...] = ()
    note: str = ""
