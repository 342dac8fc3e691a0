# SPDX-License-Identifier: Apache-2.0
"""Command lines as people write them into files, to argv, without a shell: what needs one is refused."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field

_LONGEST = 4096
_MOST_WORDS = 128
_VARIABLE = re.compile(r"\$\{([A-Za-z_]\w*)(?::?-([^{}$`\"'\s]*))?\}")
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w{0,250}=.*")
_SHELLS = {"sh", "bash", "dash", "/bin/sh", "/bin/bash", "/usr/bin/sh", "/usr/bin/bash"}


@dataclass(frozen=True, slots=True)
class Command:
    """`argv` is empty where `refused` says why. `defaults` are those of `${NAME:-default}`."""

    argv: tuple[str, ...] = ()
    refused: str = ""
    defaults: dict[str, str] = field(default_factory=dict)


def parse_command(text: str) -> Command:
    """Split a plain command. `$NAME` and `${NAME}` stay as `$NAME`; variables set in front of it go through `env`."""
    text = text.strip()
    if not text or len(text) > _LONGEST:
        return Command(refused="it is empty or too long")
    if not text.isprintable():
        return Command(refused="it holds control characters or several lines")
    try:
        lexer = shlex.shlex(text, posix=True, punctuation_chars=";&|<>()`")
        lexer.whitespace_split, lexer.commenters = True, ""
        words = list(lexer)
    except ValueError as error:
        return Command(refused=f"its quotes do not match ({error})".lower())
    for word in words:
        if set(word) <= set(";&|<>()`"):
            return Command(refused=f"it needs a shell for {word!r}")
    return from_words(words)


def from_words(words: Sequence[str]) -> Command:
    """The same for a command that is split already. `sh -c TEXT` is looked into."""
    if any(not isinstance(word, str) or not word.isprintable() or len(word) > _LONGEST for word in words):
        return Command(refused="a word of it is no printable text")
    if len(words) == 3 and words[0] in _SHELLS and words[1] in ("-c", "-lc"):
        return parse_command(words[2])
    if len(words) > _MOST_WORDS:
        return Command(refused="it has too many words")
    defaults: dict[str, str] = {}
    plain = []
    for word in words:
        clear = _VARIABLE.sub(lambda match: _note_default(match, defaults), word)
        if "`" in clear or "$(" in clear or "${" in clear:
            return Command(refused=f"it needs a shell for {word!r}")
        plain.append(clear)
    if plain and plain[0] == "exec":
        plain = plain[1:]
    if plain and _ASSIGNMENT.fullmatch(plain[0]):
        plain = ["env", *plain]
    if not plain or (all(_ASSIGNMENT.fullmatch(word) for word in plain[1:]) and plain[0] == "env"):
        return Command(refused="it names no program")
    return Command(tuple(plain), defaults=defaults)


def port_of(words: Sequence[str]) -> int | None:
    """A port that a command line names itself: `--port 8000`, `-b 0.0.0.0:8000`, `PORT=8000`, `:8000`."""
    flags = {"--port", "-p", "--bind", "-b", "--listen", "--http-port", "--server-port", "--server.port"}
    for index, word in enumerate(words):
        name, equals, value = word.partition("=")
        if name in flags or name == "PORT":
            candidate = value if equals else words[index + 1] if index + 1 < len(words) else ""
            if (port := to_port(candidate.rpartition(":")[2])) is not None:
                return port
        elif index and (bound := re.fullmatch(r"(?:[\d.]+|\[::\]|localhost)?:(\d{2,5})", word)):
            return to_port(bound[1])
    return None


def to_port(value: object) -> int | None:
    """A port number, or None for anything else."""
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        return None
    text = str(value) if isinstance(value, str) or 0 < value < 65536 else ""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 5 and 0 < int(text) < 65536 else None


def _note_default(match: re.Match[str], defaults: dict[str, str]) -> str:
    if match[2]:
        defaults[match[1]] = match[2]
    return f"${match[1]}"
