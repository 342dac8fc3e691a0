# SPDX-License-Identifier: Apache-2.0
"""Where a model may be asked, and what its answers changed."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Decision(StrEnum):
    """The five decisions that a model may improve. Each has a deterministic answer without one."""

    REQUIREMENTS = "requirements"
    IMAGES = "images"
    IMAGE = "image"
    MACHINE = "machine"
    HOURS = "hours"


@dataclass(frozen=True, slots=True)
class Question:
    """`schema` is the JSON schema of the answer. `extracts` are capped quotes of hostile text."""

    decision: Decision
    instructions: str
    extracts: tuple[str, ...]
    schema: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model said. `value` None: nothing of use, and `trouble` says why in one sentence. Tokens are counts.

    `estimated`: the endpoint did not count its tokens. `gone`: no answer came at all, and another question would get
    none either.
    """

    value: dict[str, Any] | None = None
    trouble: str = ""
    tokens_in: int = 0
    tokens_out: int = 0
    estimated: bool = False
    gone: bool = False


@dataclass(frozen=True, slots=True)
class Advised:
    """One value that a model moved, inside its bounds. `reasoning` is hostile text, at most 400 characters."""

    decision: Decision
    field: str
    was: str
    became: str
    reasoning: str = ""


@dataclass(frozen=True, slots=True)
class Pick:
    """A choice among what will do, made by another than the ranking: a user's selector, or a model. Empty: none.

    `machine` is (cloud, region, machine type). What is not on the list of those that will do is not followed, and
    `by` is named in the warning that says so.
    """

    by: str = ""
    machine: tuple[str, str, str] | None = None
    images: tuple[str, ...] = ()
    image: str = ""
    hours: float | None = None
    reasoning: dict[str, str] = field(default_factory=dict)
    """By the decision's name."""
