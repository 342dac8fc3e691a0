# SPDX-License-Identifier: Apache-2.0
"""Conclusions as text: what it is, what it needs, how it runs; each with where that stands and by which rule."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

from homeport.cli.sheet import fitted, paragraph, terminal_width
from homeport.model.evidence import Origin
from homeport.model.requirements import HINT
from homeport.model.size import as_size

if TYPE_CHECKING:
    from homeport.model.evidence import Inferred
    from homeport.model.requirements import Requirements
    from homeport.model.source import Source

HEAD = ("WHAT", "VALUE", "FROM", "WHY")
GROUPS: dict[str, dict[str, str]] = {
    "What it is": {
        "name": "name", "kind": "kind", "ecosystem": "ecosystem", "language": "language",
        "language version": "language_version", "image": "image", "dockerfile": "dockerfile",
    },
    "What it needs": {
        "gpu": "gpu", "gpus": "gpu_count", "gpu memory": "vram_bytes", "gpu vendor": "gpu_vendor", "cuda": "cuda",
        "rocm": "rocm", "capability": "compute_capability", "cpus": "cpus", "memory": "memory_bytes",
        "shared memory": "shared_memory_bytes", "disk": "disk_bytes", "system": "os_family",
        "packages": "system_packages", "hours": "hours",
    },
    "How it runs": {
        "start": "start", "version": "runtime_version", "port": "port", "published at": "published_port",
        "health": "health_path", "checks": "checks", "delivery": "delivery", "keys": "honours_keys",
        "policy": "policy", "restart": "restart",
    },
}  # fmt: skip
"""Label and field of `Requirements`, in the order in which they are shown."""

_SIZES = frozenset({"memory", "gpu memory", "disk", "shared memory"})
_QUOTED = "What it needs"
"""The group that decides on money: there, the words that say so are shown."""
_PLAIN = (Origin.USER, Origin.MANIFEST)
"""Who says it as it is: their words would repeat the value."""


def conclusions(requirements: Requirements, *, width: int = 0, evidence: bool = False, notes: bool = True) -> list[str]:
    """A row for each value: what, where it stands, by which rule; below it what lost to it, and the words it is from.

    `width` in columns, 0 for the terminal's. `evidence`: all of it, with how sure each rule is.
    `notes`: warnings too; a plan has them among its own.
    """
    width = width or terminal_width()
    shown = [
        (title, label, found)
        for title, labels in GROUPS.items()
        for label, field in labels.items()
        if (found := getattr(requirements, field)) is not None and not _twice(requirements, label)
    ]
    rows = [(label, _value(label, found), _where(found), _why(found)) for _, label, found in shown]
    head, *blocks = fitted(HEAD, rows, width, indent="  ")
    lines, group = [], ""
    quoted: set[str] = set()
    for (title, _, found), block in zip(shown, blocks, strict=True):
        if title != group:
            lines += ([""] if group else []) + [title, *(head if not group else [])]
            group = title
        quote = found.evidence[0].quote if found.evidence else ""
        told = evidence or title != _QUOTED or found.origin in _PLAIN or quote in quoted
        quoted.add(quote)
        lines += [*block, *_below(found, "" if told else quote, width, evidence=evidence)]
    for what, names in (
        ("installs", requirements.install), ("asks for", _asked(requirements, evidence)),
        ("sets", tuple(requirements.env_values)), ("secrets", requirements.secrets),
    ):  # fmt: skip
        if names:
            lines += paragraph(", ".join(names), width, first=f"  {what}: ")
    for warning in requirements.warnings if notes else ():
        lines += paragraph(warning, width, first="note: ")
    return lines


def _asked(requirements: Requirements, evidence: bool) -> list[str]:
    """Names of variables; with `evidence` where each stands, as far as that is known."""
    found = requirements.env_evidence if evidence else {}
    places = {name: f" ({one.file}:{one.line})" for name, one in found.items()}
    return [f"{name}{places.get(name, '')}" for name in requirements.env]


def source_line(source: Source) -> str:
    exact = f"commit {source.commit[:12]}" if source.commit else f"digest {source.digest.removeprefix('sha256:')[:12]}"
    return f"{source.locator}  ({source.kind}, {exact}{', in ' + source.subdir if source.subdir else ''})"


def _twice(r: Requirements, label: str) -> bool:
    """The version of the language is that which runs it, and is shown there."""
    same = r.runtime_version is not None and r.language_version is not None
    return label == "language version" and same and r.runtime_version.value == r.language_version.value  # type: ignore[union-attr]


def _below(found: Inferred[Any], quote: str, width: int, *, evidence: bool) -> list[str]:
    lines = paragraph(f"“{quote}”", width, first="      ", rest="       ") if quote else []
    if evidence:
        for one in found.evidence:
            place = f"{one.file}:{one.line}" if one.line else one.file or "you"
            text = f"{place} ({one.rule}, {one.confidence:.0%} sure){': ' + one.quote if one.quote else ''}"
            lines += paragraph(text, width, first="      ", rest="        ")
    if _is_conflict(found.note):
        for text in found.note.replace(":0)", ")").replace("; not ", "\0not ").split("\0"):
            lines += paragraph(text, width, first="      ", rest="        ")
    return lines


def _is_conflict(note: str) -> bool:
    return note.startswith(("not ", "instead of "))


def _value(what: str, found: Inferred[Any]) -> str:
    text = _plain(what, found.value)
    return f"~ {text}" if _is_estimate(found) else text


def _plain(what: str, value: Any) -> str:
    if what in _SIZES:
        return as_size(value)
    if what == "start":
        return shlex.join(value)
    if what == "checks":
        return f"every {value.interval:g} s, {value.retries} retries"
    if what == "restart":
        return f"up to {value.max_restarts} times" if value.enabled else "never"
    if what == "policy":
        order = "one at a time, in order" if value.ordered else f"{value.concurrency} at once"
        waiting = f", at most {value.queue} waiting" if value.queue else ""
        waiting += ", forwarded before they are on disk" if value.durability == "relaxed" else ""
        again = f", again after {', '.join(map(str, value.retry.statuses))}" if value.retry.statuses else ""
        return f"{order}{waiting}; {value.retry.kind} retries, {value.retry.attempts} attempts{again}"
    if what == "packages":
        return ", ".join(value[:8]) + (", …" if len(value) > 8 else "")
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _is_estimate(found: Inferred[Any]) -> bool:
    return bool(found.evidence) and found.evidence[0].confidence < HINT


def _where(found: Inferred[Any]) -> str:
    if found.origin is Origin.USER:
        return "you"
    if found.origin is Origin.LLM:
        return "the model"
    if not found.evidence:
        return found.origin
    first = found.evidence[0]
    return f"{first.file}:{first.line}" if first.line else first.file


def _why(found: Inferred[Any]) -> str:
    if found.origin is Origin.USER and found.evidence:
        return f"--{found.evidence[0].rule.removeprefix('user.')}"
    rule = found.evidence[0].rule if found.evidence else ""
    note = "" if _is_conflict(found.note) else found.note
    return "; ".join(part for part in (rule, "an estimate" if _is_estimate(found) else "", note) if part)
