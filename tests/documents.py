# SPDX-License-Identifier: Apache-2.0
"""Documents as programs: the blocks of a page that a reader would type, run in order in one fresh home.

- a block of `console` is run: lines that begin with `$ ` (continued by lines that begin with `> `) are commands, what
  follows is what they print, where `…` stands for anything, and a line that is only `…` for any lines
- `<!-- file: PATH -->` before a block: its text is written there
- `<!-- needs: engine -->` at the page's top, or `postgres`: a real one is there, and named in the environment
- `<!-- not run: REASON -->` before a block of `console`: it is left out
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_BLOCK = re.compile(
    r"(?:<!-- (?P<mark>file|not run): (?P<said>[^>]*?) -->\n+)?^```(?P<kind>\w*)\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class File:
    path: str
    text: str


@dataclass(frozen=True)
class Command:
    line: str
    printed: tuple[str, ...]


def needs(text: str) -> list[str]:
    return re.findall(r"<!-- needs: (\w+) -->", text)


def steps(text: str) -> Iterator[File | Command]:
    """In the order of the page."""
    for block in _BLOCK.finditer(text):
        if block["mark"] == "file":
            yield File(block["said"], block["text"])
        elif block["kind"] == "console" and block["mark"] != "not run":
            yield from _commands(block["text"])


def _commands(text: str) -> Iterator[Command]:
    line, printed = "", []
    for row in text.splitlines():
        if row.startswith("$ "):
            if line:
                yield Command(line, tuple(printed))
            line, printed = row[2:], []
        elif row.startswith("> ") and not printed:
            line += "\n" + row[2:]
        else:
            printed.append(row)
    if line:
        yield Command(line, tuple(printed))


def carry_out(step: File | Command, folder: Path, env: dict[str, str]) -> str:
    """Why this step is not as the page says; "" if it is."""
    if isinstance(step, File):
        path = folder / step.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(step.text)
        return ""
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", step.line], cwd=folder, env=env, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=180, check=False,
    )  # fmt: skip
    if done.returncode and not any("error:" in line for line in step.printed):
        return f"$ {step.line}\nended with {done.returncode}:\n{done.stdout}"
    if missing := not_printed(step.printed, done.stdout):
        return f"$ {step.line}\ndoes not print:\n  {missing}\nbut:\n{done.stdout}"
    return ""


def not_printed(promised: tuple[str, ...], said: str) -> str:
    """The first promised line that is not there; "" if all are, in order and, but for `…`, next to each other."""
    lines = [line.rstrip() for line in said.splitlines()]
    place, anywhere = 0, False
    for row in promised:
        if row.strip() == "…":
            anywhere = True
            continue
        wanted = re.compile(".*".join(re.escape(part) for part in row.rstrip().split("…")))
        while place < len(lines) and not wanted.fullmatch(lines[place]):
            if not anywhere:
                return row
            place += 1
        if place == len(lines):
            return row
        place, anywhere = place + 1, False
    return "" if anywhere or place == len(lines) or not promised else f"(the end; then it says) {lines[place]}"
