# SPDX-License-Identifier: Apache-2.0
"""Which machines were taken, in one small file that is always whole."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TypeVar

from homeport.errors import NO_ROOM, HomeportError, StorageFull
from homeport.model.codec import from_builtins, to_builtins
from homeport.model.machine import Machine

T = TypeVar("T")
Machines = dict[str, Machine]


class Register:
    """Machines by owner tag. Several processes may use it: changes hold a lock, reads see the last whole file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> Machines:
        """Raises `HomeportError` for a file that is not ours: guessing would forget machines."""
        try:
            found = json.loads(self._path.read_bytes())
            return {tag: from_builtins(record, Machine) for tag, record in found["machines"].items()}
        except FileNotFoundError:
            return {}
        except (ValueError, KeyError, TypeError, AttributeError, HomeportError) as problem:
            raise HomeportError(
                f"cannot read the register of machines: {type(problem).__name__}",
                operation="read",
                subject=str(self._path),
                hint="restore the file from a backup, or remove it if nothing runs on this machine",
            ) from None

    def add(self, machine: Machine) -> Machine:
        """The machine that has the tag: this one, or the one before it. Raises `StorageFull`."""
        return self._change(lambda machines: machines.setdefault(machine.owner_tag, machine))

    def remove(self, owner_tag: str) -> None:
        """Not there is no error."""
        self._change(lambda machines: machines.pop(owner_tag, None))

    @contextmanager
    def held(self) -> Iterator[Callable[[], None]]:
        """Nobody changes it until the function that this gives is called, or it ends."""
        with ExitStack() as stack:
            stack.enter_context(self._locked())
            yield stack.close

    def _change(self, change: Callable[[Machines], T]) -> T:
        with self._locked():
            machines = self.read()
            before = dict(machines)
            result = change(machines)
            if machines != before:
                self._write(machines)
            return result

    def _write(self, machines: Machines) -> None:
        text = json.dumps({"machines": {tag: to_builtins(machine) for tag, machine in machines.items()}}, indent=1)
        fresh = self._path.with_name(f"{self._path.name}.new")
        try:
            with fresh.open("w") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(self._path)
        except OSError as problem:
            fresh.unlink(missing_ok=True)
            if problem.errno in NO_ROOM:
                raise StorageFull("no room left to note the machine", subject=str(self._path)) from None
            raise

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self._path.with_name(f"{self._path.name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
