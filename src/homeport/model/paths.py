# SPDX-License-Identifier: Apache-2.0
"""Which paths of a source are let into a view, and the digest of what was let in."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Iterable, Sequence

NAME_BYTES = 255
PATH_BYTES = 1024
DEPTH = 64
_LEADS_OUT = frozenset(("", ".", ".."))


class Sieve:
    """Lets safe paths through, once each, and counts the others by reason."""

    def __init__(self) -> None:
        self._folded: dict[str, str] = {}
        self._folders = {""}
        self._skipped: dict[str, list[str]] = {}
        self._counts: dict[str, int] = {}

    def admit(self, raw: bytes) -> str | None:
        """The path as text, or None when it is not safe on every file system."""
        try:
            path = raw.decode()
        except UnicodeDecodeError:
            self.skip("names that are not UTF-8", raw.decode(errors="replace"))
            return None
        reason = unsafe(path)
        if not reason and self._collides(path):
            reason = "names that differ from another only by case"
        if reason:
            self.skip(reason, path)
            return None
        return path

    def skip(self, reason: str, example: str) -> None:
        """Count one left out. `reason` is a plural noun phrase."""
        self._counts[reason] = self._counts.get(reason, 0) + 1
        examples = self._skipped.setdefault(reason, [])
        if len(examples) < 3:
            examples.append(printable(example, 80))

    @property
    def skipped(self) -> tuple[str, ...]:
        """One line per reason: how many, which, and the first few of them."""
        return tuple(
            f"{self._counts[reason]} {reason}: {', '.join(examples)}{', …' if self._counts[reason] > 3 else ''}"
            for reason, examples in sorted(self._skipped.items())
        )

    def _collides(self, path: str) -> bool:
        """Folders that were let in before are not looked at again."""
        folder = path.rpartition("/")[0]
        prefixes = [path]
        while folder not in self._folders:
            prefixes.append(folder)
            folder = folder.rpartition("/")[0]
        fresh = {}
        for prefix in prefixes:
            key = _folded(prefix)
            if self._folded.get(key, prefix) != prefix:
                return True
            fresh[key] = prefix
        self._folded.update(fresh)
        self._folders.update(prefixes[1:])
        return False


def unsafe(path: str) -> str:
    """Why a path is not let in, as a plural noun phrase; "" if it is fine."""
    parts = path.split("/")
    if not _LEADS_OUT.isdisjoint(parts):
        return "paths that are absolute or lead outside"
    if not path.isprintable():
        return "names with control characters"
    if "\\" in path:
        return "names with a backslash"
    if len(parts) > DEPTH or ((len(path) > NAME_BYTES or not path.isascii()) and _too_long(path, parts)):
        return "names that are too long or too deep"
    if (not path.isascii() or "git" in path.lower()) and any(_is_git_folder(part) for part in parts):
        return "names that some file systems take for .git"
    return ""


def digest_of(files: Iterable[tuple[str, bool, str]]) -> str:
    """SHA-256, in hex, over (path, executable, content id) in the order of the paths."""
    digest = hashlib.sha256()
    for path, executable, content in sorted(files):
        digest.update(f"{'755' if executable else '644'} {content} {path}".encode() + b"\0")
    return digest.hexdigest()


def printable(text: str, limit: int) -> str:
    """Text that is safe to show: no control characters, one line, at most `limit` characters."""
    clean = "".join(char if char.isprintable() else " " for char in text[: limit * 4])
    clean = " ".join(clean.split())
    return clean if len(clean) <= limit else clean[: limit - 1] + "…"


def _too_long(path: str, parts: Sequence[str]) -> bool:
    return len(path.encode("utf-8", "surrogatepass")) > PATH_BYTES or any(
        len(part.encode("utf-8", "surrogatepass")) > NAME_BYTES for part in parts
    )


def _folded(path: str) -> str:
    """The same for names that a file system may take for one another."""
    if path.isascii():
        folded = path.lower()
        return path if folded == path else folded  # one string less for each of many files
    return unicodedata.normalize("NFC", path).casefold()


def _is_git_folder(part: str) -> bool:
    visible = "".join(char for char in part if unicodedata.category(char) != "Cf")
    return visible.casefold().rstrip(". ").partition(":")[0] in (".git", "git~1")
