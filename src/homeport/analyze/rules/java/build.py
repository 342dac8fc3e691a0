# SPDX-License-Identifier: Apache-2.0
"""What one build file says, Maven's or Gradle's."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Library:
    """An artifact it depends on, by its name without its group."""

    name: str
    file: str
    line: int


@dataclass(slots=True)
class Build:
    """`start` is () where nothing runs it; `main` says that a main class is named; `sure`
    says how sure one is that it is the program that is meant."""

    file: str
    version: str = ""
    version_line: int = 0
    start: tuple[str, ...] = ()
    start_line: int = 0
    sure: float = 0.0
    rule: str = ""
    main: bool = False
    libraries: list[Library] = field(default_factory=list)
