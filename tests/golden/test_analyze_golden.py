# SPDX-License-Identifier: Apache-2.0
"""Synthetic repositories and what is concluded from them: each file of `analyze/` holds both.

A file is `>>> PATH` followed by its content, for each file; then `>>> expected`. With HOMEPORT_UPDATE_GOLDEN=1 the
expected part is written anew, to be read before it is committed.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from homeport.analyze import analyze
from homeport.model.evidence import Inferred
from homeport.testing.fetchers import DictView

CASES = sorted((Path(__file__).parent / "analyze").glob("*.txt"))
VALUES = ("name", "ecosystem", "start", "runtime_version", "port", "health_path", "memory_bytes", "gpu", "delivery",
          "honours_keys")  # fmt: skip
WHERE_SAID = (
    "image", "dockerfile", "cpus", "gpu_count", "vram_bytes", "gpu_vendor", "cuda", "rocm", "compute_capability",
    "disk_bytes", "shared_memory_bytes", "os_family", "language", "language_version", "system_packages", "hours",
    "kind",
)  # fmt: skip


def render(requirements) -> str:
    lines = []
    for field in (*VALUES, *(one for one in WHERE_SAID if getattr(requirements, one) is not None)):
        found: Inferred | None = getattr(requirements, field)
        if found is None:
            lines.append(f"{field}: unknown")
            continue
        value = " ".join(found.value) if isinstance(found.value, tuple) else found.value
        where = f" {found.evidence[0].file}:{found.evidence[0].line} {found.evidence[0].rule}" if found.evidence else ""
        lines.append(f"{field}: {value} [{found.origin}{where}]")
        if found.evidence and found.evidence[0].quote:
            lines.append(f"    | {found.evidence[0].quote}")
        if found.note:
            lines.append(f"    {found.note}")
    lines += [f"install: {' '.join(requirements.install) or '-'}", f"env: {' '.join(requirements.env) or '-'}"]
    lines += [f"warning: {text}" for text in requirements.warnings]
    return "\n".join(lines) + "\n"


def split(text: str) -> tuple[dict[str, str], str]:
    parts = [part.partition("\n") for part in ("\n" + text).split("\n>>> ")[1:]]
    files = {name: content + "\n" for name, _, content in parts}
    return files, files.pop("expected").rstrip("\n") + "\n"


@pytest.mark.parametrize("case", CASES, ids=lambda path: path.stem)
def test_what_is_concluded_from_this_repository(case):
    text = case.read_text()
    files, expected = split(text)
    found = render(analyze(DictView(files)))
    if os.environ.get("HOMEPORT_UPDATE_GOLDEN"):
        case.write_text(text.split(">>> expected")[0] + ">>> expected\n" + found)
    else:
        assert found == expected


def test_there_are_cases():
    assert len(CASES) >= 12
