# SPDX-License-Identifier: Apache-2.0
"""What rules say: a field, a value, and the line that made them say so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

from homeport.analyze.command import port_of
from homeport.analyze.quote import quote
from homeport.model.evidence import Evidence, Origin
from homeport.model.paths import printable
from homeport.model.source import Statement

Field = Literal[
    "name",
    "ecosystem",
    "start",
    "runtime_version",
    "port",
    "published_port",
    "health_path",
    "memory_bytes",
    "gpu",
    "delivery",
    "honours_keys",
    "policy",
    "image",
    "dockerfile",
    "cpus",
    "checks",
    "restart",
    "gpu_count",
    "vram_bytes",
    "gpu_vendor",
    "cuda",
    "rocm",
    "compute_capability",
    "disk_bytes",
    "shared_memory_bytes",
    "os_family",
    "language",
    "language_version",
    "system_packages",
    "hours",
    "kind",
    "os_version",
    "arch",
]


@dataclass(frozen=True, slots=True)
class Claim:
    field: Field
    value: object
    origin: Origin
    evidence: Evidence


@dataclass(slots=True)
class Claims:
    """Filled by the rules in turn. `installs` are (origin, files), `env` names in order of sight.

    `env_values` and `secrets` come from statements only: nothing in a source's own files gives a variable a value.
    """

    all: list[Claim] = field(default_factory=list)
    installs: list[tuple[Origin, tuple[str, ...]]] = field(default_factory=list)
    env: dict[str, None] = field(default_factory=dict)
    warnings: dict[str, None] = field(default_factory=dict)
    env_values: dict[str, str] = field(default_factory=dict)
    secrets: dict[str, None] = field(default_factory=dict)
    asked: dict[str, Evidence] = field(default_factory=dict)

    def add(
        self,
        name: Field,
        value: object,
        origin: Origin,
        *,
        file: str,
        line: int,
        rule: str,
        confidence: float,
        text: str = "",
    ) -> None:
        """One claim. `text` is the line as it stands in the file: hostile, so it is quoted here."""
        evidence = Evidence(file=file, line=line, rule=rule, confidence=confidence, quote=quote(text))
        self.all.append(Claim(name, value, origin, evidence))

    def start(
        self,
        words: Sequence[str],
        origin: Origin,
        *,
        file: str,
        line: int,
        rule: str,
        confidence: float,
        text: str = "",
    ) -> None:
        """A start command, and the port that stands in it."""
        self.add("start", tuple(words), origin, file=file, line=line, rule=rule, confidence=confidence, text=text)
        port = port_of(words)
        if port is not None:
            self.add("port", port, origin, file=file, line=line, rule=f"{rule}-port", confidence=1.0, text=text)

    def state(self, one: Statement) -> None:
        """What an agents file or a template says: taken before all that the files say."""
        if one.field == "env":
            assert isinstance(one.value, tuple)
            self.env_values[one.value[0]] = one.value[1]
        elif one.field == "secret":
            self.secrets[str(one.value)] = None
        elif one.field == "warning":
            self.warn(f"{one.file}:{one.line}: {one.value}")
        else:
            name = next(known for known in get_args(Field) if known == one.field)
            rule = f"stated.{printable(one.key.rpartition('.')[2] or one.key, 40)}"
            self.add(name, one.value, Origin.MANIFEST, file=one.file, line=one.line, rule=rule, confidence=1.0,
                     text=one.text)  # fmt: skip

    def warn(self, text: str) -> None:
        """One sentence for people, said once; it may hold names from the repository."""
        if len(self.warnings) < 50:
            self.warnings[printable(text, 300)] = None

    def asks_for(self, name: str, *, file: str = "", line: int = 0, rule: str = "", text: str = "") -> None:
        """An environment variable, and where that was read if the rule says so."""
        if name.isascii() and name.isidentifier() and len(name) <= 100 and len(self.env) < 100:
            self.env[name] = None
            if file and name not in self.asked:
                self.asked[name] = Evidence(file, line, rule, 0.6, quote(text))
