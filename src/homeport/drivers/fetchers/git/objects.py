# SPDX-License-Identifier: Apache-2.0
"""Blobs from a repository through one `git cat-file --batch`."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from types import TracebackType

from homeport.drivers.fetchers.git.command import argv
from homeport.drivers.fetchers.git.process import bound_memory
from homeport.errors import InvalidSource, StalePlan

_CHUNK = 1 << 16
_AHEAD = 50
"""Objects asked for before the first is read: their names fit into the smallest pipe, 4 KiB, so no side is stuck."""


class Objects:
    """Started at the first read, ended by `close`. May be used by several threads, one blob at a time."""

    def __init__(self, git_dir: str, env: Mapping[str, str]) -> None:
        self._command = argv(f"--git-dir={git_dir}", "cat-file", "--batch")
        self._env = dict(env)
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()

    def __enter__(self) -> Objects:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def read(self, oid: str, limit: int) -> bytes:
        """The first `limit` bytes. A blob that is longer ends the process: nothing inflates without bound."""
        with self._lock:
            parts, size = [], 0
            for chunk in self._chunks(oid):
                parts.append(chunk)
                size += len(chunk)
                if size > limit:
                    self._end()
                    break
            return b"".join(parts)[:limit]

    def read_each(self, oids: Sequence[str], limit: int) -> list[bytes]:
        """Several whole blobs, in their order, asked for ahead.

        Raises `StalePlan` where one has more than `limit` bytes: its size is known to the caller, so it has changed.
        """
        found: list[bytes] = []
        with self._lock:
            try:
                for begin in range(0, len(oids), _AHEAD):
                    group = oids[begin : begin + _AHEAD]
                    self._ask(group)
                    found += [b"".join(self._answer(oid, limit)) for oid in group]
            except BaseException:
                self._end()  # answers to what was asked ahead are still in the pipe
                raise
        return found

    def write(self, oid: str, descriptor: int, room: int) -> int:
        """Copy the whole blob to a descriptor; returns its size. Raises `InvalidSource` if it is more than `room`."""
        with self._lock:
            total = 0
            try:
                for chunk in self._chunks(oid):
                    total += len(chunk)
                    if total > room:
                        raise InvalidSource("its files are larger than is allowed", operation="export")
                    view = memoryview(chunk)
                    while view:
                        view = view[os.write(descriptor, view) :]
            except (OSError, InvalidSource):
                self._end()  # half a blob is still in the pipe
                raise
            return total

    def close(self) -> None:
        with self._lock:
            self._end()

    def _chunks(self, oid: str) -> Iterator[bytes]:
        self._ask([oid])
        return self._answer(oid)

    def _ask(self, oids: Sequence[str]) -> None:
        process = self._process = self._process or self._start()
        assert process.stdin is not None
        try:
            process.stdin.write("".join(f"{oid}\n" for oid in oids).encode())
            process.stdin.flush()
        except BrokenPipeError:
            raise self._lost(oids[0]) from None

    def _answer(self, oid: str, most: int = -1) -> Iterator[bytes]:
        process = self._process
        assert process is not None
        assert process.stdout is not None
        head = process.stdout.readline(200).split()
        if len(head) != 3 or head[1] != b"blob" or 0 <= most < int(head[2]):
            raise self._lost(oid)
        left = int(head[2])
        while left:
            chunk = process.stdout.read(min(left, _CHUNK))
            if not chunk:
                raise self._lost(oid)
            left -= len(chunk)
            yield chunk
        process.stdout.read(1)

    def _start(self) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            self._command,
            env=self._env,
            cwd="/",
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        bound_memory(process.pid)
        return process

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        for pipe in (process.stdin, process.stdout):
            assert pipe is not None
            with contextlib.suppress(BrokenPipeError):
                pipe.close()

    def _lost(self, oid: str) -> StalePlan:
        self._end()
        return StalePlan(
            f"the object {oid[:12]} is not in the repository any more",
            operation="read",
            subject=oid,
            hint="run it again; the cache may have been deleted meanwhile",
        )
