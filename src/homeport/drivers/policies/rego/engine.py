# SPDX-License-Identifier: Apache-2.0
"""The worker process, seen from outside: start it, ask it, end it."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import sys
from pathlib import Path
from typing import Any

START_SECONDS = 20.0
"""For starting Python, loading the engine and parsing the policies, on a busy machine."""


class EngineGone(Exception):
    """The worker ended, or answered something else than was agreed."""


class BadPolicy(Exception):
    """The policies cannot be loaded; trying again does not help."""


class Engine:
    """One worker. Not for several tasks at once: its user takes turns."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._number = 0

    @classmethod
    async def start(cls, policies: list[tuple[str, str]]) -> Engine:
        """Raises `EngineGone` or `BadPolicy`; nothing is left running then."""
        spec = importlib.util.find_spec("regorus")
        if spec is None or spec.origin is None:
            raise EngineGone("the Rego engine (gordon-to-regorus) is not installed")
        worker = Path(__file__).with_name("worker.py")
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-S", "-B", str(worker), str(os.getpid()), str(Path(spec.origin).parent.parent)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env={"RUST_BACKTRACE": "0", "RUST_LIB_BACKTRACE": "0", "MALLOC_ARENA_MAX": "1"},
            cwd="/",
            start_new_session=True,  # Ctrl-C in a terminal is for the server, which still has decisions to make
        )
        engine = cls(process)
        try:
            async with asyncio.timeout(START_SECONDS):
                ready = await engine._exchange(0, policies)
        except BaseException as error:
            await engine.end()
            if isinstance(error, TimeoutError):
                raise EngineGone("the policy engine did not start in time") from None
            raise
        if "load_error" in ready:
            await engine.end()
            raise BadPolicy(str(ready["load_error"]))
        return engine

    @property
    def pid(self) -> int:
        return self._process.pid

    async def ask(self, package: str, text: str) -> dict[str, Any]:
        """The worker's answer. Raises `EngineGone`; after a cancel or time-out the worker must be ended."""
        self._number += 1
        return await self._exchange(self._number, [self._number, package, text])

    async def end(self) -> None:
        """Kill it and wait until it is gone. Idempotent."""
        if self._process.returncode is None:
            try:
                self._process.kill()
            except ProcessLookupError:
                pass
        if self._process.stdin is not None:
            self._process.stdin.close()
        await asyncio.shield(self._process.wait())

    async def _exchange(self, number: int, message: Any) -> dict[str, Any]:
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None and stdout is not None
        try:
            stdin.write(json.dumps(message).encode() + b"\n")
            await stdin.drain()
            line = await stdout.readline()
            answer = json.loads(line) if line else None
        except (OSError, ValueError) as error:
            raise EngineGone(f"the policy engine failed: {type(error).__name__}") from error
        if not isinstance(answer, dict) or answer.get("id") != number:
            raise EngineGone("the policy engine ended without an answer")
        return answer
