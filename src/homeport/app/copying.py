# SPDX-License-Identifier: Apache-2.0
"""All that a server knows, from one place to another: state, request journal and durable steps, verified.

Nothing is half-done: the three parts are written without anybody seeing them, read back, and only then committed. A
crash between the commits leaves a mark, with which no server starts until the copy has been made again.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

import msgspec

from homeport.app.foldercopy import Staged
from homeport.errors import Conflict, HomeportError, UsageError
from homeport.interfaces.extension_points import driver
from homeport.interfaces.transfer import Gate, Item, Part, Where
from homeport.model.database import shown

Progress = Callable[[str], None]
STATE, JOURNAL, STEPS = "state", "journal", "durable steps"
NAMES = (STATE, JOURNAL, STEPS)
"""The state is committed last: with it the mark goes."""


@dataclass(frozen=True, slots=True)
class Line:
    """`digest` is of all items of the kind, whatever their order: the sum of their SHA-256."""

    kind: str
    count: int
    digest: str


@dataclass(frozen=True, slots=True)
class Report:
    source: str
    target: str
    found: tuple[Line, ...]
    """In the source."""
    made: tuple[Line, ...]
    """In the target, as it was read back; nothing on a dry run."""
    replaced: str = ""
    """Where the former content of a target folder lies now."""


class Tally:
    """Counts and sums while items pass."""

    def __init__(self) -> None:
        self._kinds: dict[str, tuple[int, int]] = {}
        self._encode = msgspec.json.Encoder(order="sorted").encode

    def of(self, items: Iterable[Item]) -> Iterator[Item]:
        for item in items:
            known = {name: value for name, value in item.data.items() if value is not None}
            digest = int.from_bytes(sha256(self._encode((item.kind, known))).digest())
            count, total = self._kinds.get(item.kind, (0, 0))
            self._kinds[item.kind] = count + 1, (total + digest) % 2**256
            yield item

    def add(self, items: Iterable[Item]) -> None:
        for _ in self.of(items):
            pass

    def lines(self) -> tuple[Line, ...]:
        return tuple(Line(kind, n, f"{total:064x}") for kind, (n, total) in sorted(self._kinds.items()))


def _nothing() -> None:
    pass


def copy(
    source: Where, target: Where, *, replacing: bool = False, dry_run: bool = False, progress: Progress = lambda _: None
) -> Report:
    """Blocks. `replacing`: what the target holds goes; that of a folder is kept aside.

    Raises `Conflict` where a server runs on either place, or where the target holds something and `replacing` is not
    set; `NotFound`, `StorageFull`, `Unavailable`; `HomeportError` where what was written is not what was read.
    """
    if source == target:
        raise UsageError("both are the same place", operation="copy", subject=named(source))
    with ExitStack() as stack:
        for where in (source, target):
            if where == source and where.folder is not None and not (where.folder / "state.db").exists():
                part(STATE, source)  # raises, before a folder is made
            gate = _gate(where)
            stack.callback(gate.close)
            gate.take()
        there = gate.found()
        if there == "home" and not replacing:
            raise Conflict(
                f"{named(target)} holds a Homeport already",
                operation="copy",
                subject=named(target),
                hint="copy to an empty place, or replace what is there: --replace --yes",
            )
        parts, found = _read(source, stack, progress, tally_only=dry_run)
        if dry_run:
            return Report(named(source), named(target), found.lines(), ())
        return _write(source, target, parts, found, gate, stack, progress)


def snapshot(
    source: Where, folder: Path, *, begun: Callable[[], None] = _nothing, each: Callable[[], None] = _nothing
) -> tuple[Line, ...]:
    """state.db, journal.db with spool and durable.db of one moment of a database in use, in a new folder.

    Blocks. `begun` is called just after the moment, and `each` for each thing that is copied: what it raises ends the
    copy. Raises as `copy`. What was written is read back and compared.
    """
    folder.mkdir(mode=0o700)
    try:
        with ExitStack() as stack:
            parts, found = _read(source, stack, lambda _: None)
            begun()
            made, written = _put(Where(folder=folder), parts, found, stack, each=each)
            _compare(found, written)
            for name in reversed(NAMES):
                made[name].commit()
        return found.lines()
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def named(where: Where) -> str:
    return shown(where.url) if where.url else str(where.folder)


def part(name: str, where: Where, *, write: bool = False) -> Part:
    """Opened. Raises as `interfaces.transfer.Part` says."""
    kind = {STATE: "state", STEPS: "steps"}.get(name) or f"journal in a {'database' if where.url else 'folder'}"
    opened: Part = driver("transfer", kind)(where, write=write)
    return opened


def _gate(where: Where) -> Gate:
    gate: Gate = driver("gate", "database" if where.url else "folder")(where)
    return gate


def _read(
    source: Where, stack: ExitStack, progress: Progress, *, tally_only: bool = False
) -> tuple[dict[str, Part], Tally]:
    """The three parts of one moment; counted already where nothing will be written."""
    parts: dict[str, Part] = {}
    found = Tally()
    for name in NAMES:
        parts[name] = part(name, source)
        stack.callback(parts[name].close)
        if not source.snapshot:
            source = replace(source, snapshot=parts[name].snapshot)
    for name in NAMES if tally_only else ():
        progress(f"reading the {name}")
        found.add(parts[name].items())
    return parts, found


def _put(
    where: Where,
    parts: dict[str, Part],
    found: Tally,
    stack: ExitStack,
    progress: Progress = lambda _: None,
    *,
    each: Callable[[], None] = _nothing,
) -> tuple[dict[str, Part], Tally]:
    made: dict[str, Part] = {}
    written = Tally()
    for name in NAMES:
        progress(f"copying the {name}")
        made[name] = part(name, where, write=True)
        stack.callback(made[name].close)
        made[name].put(found.of(_passing(parts[name], stack, each)))
        written.add(_passing(made[name], stack, each))
    return made, written


def _passing(of: Part, stack: ExitStack, each: Callable[[], None]) -> Iterator[Item]:
    items = of.items()
    stack.callback(items.close)  # before its part is, where it is not read to its end
    for item in items:
        each()
        yield item


def _write(
    source: Where,
    target: Where,
    parts: dict[str, Part],
    found: Tally,
    gate: Gate,
    stack: ExitStack,
    progress: Progress,
) -> Report:
    staged = Staged(target.folder) if target.folder is not None else None
    if staged is not None:
        stack.callback(staged.close)
    made, written = _put(staged.where if staged else target, parts, found, stack, progress)
    _compare(found, written)
    gate.check()
    progress("committing")
    replaced = ""
    if staged is not None:
        for name in NAMES:
            made[name].commit()
            made[name].close()
        replaced = staged.move_in(gate.mark)
    else:
        gate.mark()
        for name in reversed(NAMES):
            made[name].commit()
    return Report(named(source), named(target), found.lines(), written.lines(), replaced)


def _compare(found: Tally, written: Tally) -> None:
    """Raises `HomeportError` naming the kinds that differ."""
    if found.lines() != written.lines():
        differing = sorted({line.kind for line in set(found.lines()) ^ set(written.lines())})
        raise HomeportError(
            f"what was written is not what was read: {', '.join(differing)}",
            operation="copy",
            hint="nothing was changed; please report this",
        )
