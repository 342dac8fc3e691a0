# SPDX-License-Identifier: Apache-2.0
"""The Policy contract: whatever goes wrong, the answer is no, with the reason."""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from homeport.drivers.policies.rego.engine import BadPolicy, Engine, EngineGone
from homeport.errors import HomeportError
from homeport.interfaces.policy import Decision

SHIPPED = Path(__file__).with_name("policies")
LARGEST_INPUT = 256 * 1024
PACKAGE = re.compile(r"[a-z_][a-z0-9_]*(\.[a-z_][a-z0-9_]*){0,15}", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Options:
    policies: tuple[Path, ...] = ()
    """Rego files, or folders of them. Empty: those that ship with Homeport. Given ones replace those."""
    deadline: float = 0.5
    """Seconds that one decision may take; then it is denied and the engine is started anew."""


class RegoPolicy:
    """Reads the policies at once; starts the engine's process at the first decision, and again when it is gone."""

    def __init__(self, options: Options) -> None:
        """Raises `HomeportError` for a policy file that is not there or cannot be read."""
        self._deadline = options.deadline
        self._policies = _read(options.policies or (SHIPPED,))
        self.revision = hashlib.sha256(json.dumps(self._policies).encode()).hexdigest()[:16]
        self._turn = asyncio.Lock()
        self._engine: Engine | None = None
        self._bad = ""
        self._closed = False

    @property
    def worker_pid(self) -> int | None:
        """The engine's process, for status and tests; None while there is none."""
        return self._engine.pid if self._engine else None

    async def decide(self, package: str, input: dict[str, Any]) -> Decision:
        if not PACKAGE.fullmatch(package):
            return self._failed("that is not the name of a policy package")
        try:
            text = json.dumps(input, allow_nan=False)
        except (TypeError, ValueError, RecursionError) as error:
            return self._failed(f"the input is not plain JSON ({type(error).__name__})")
        if len(text) > LARGEST_INPUT:
            return self._failed(f"the input is larger than {LARGEST_INPUT} bytes")
        # To its end even when the caller gives up: clients that leave must not cost the engine its life.
        return await asyncio.shield(asyncio.create_task(self._ask_in_turn(package, text)))

    async def close(self) -> None:
        """Idempotent. Decisions after it are denied."""
        self._closed = True
        async with self._turn:
            await self._drop()

    async def _ask_in_turn(self, package: str, text: str) -> Decision:
        async with self._turn:
            return await self._ask(package, text)

    async def _ask(self, package: str, text: str) -> Decision:
        if self._closed:
            return self._failed("the policy engine is closed")
        try:
            engine = await self._running()
            async with asyncio.timeout(self._deadline):
                answer = await engine.ask(package, text)
        except BadPolicy as error:
            self._bad = f"the policies cannot be loaded: {error}"
            return self._failed(self._bad)
        except TimeoutError:
            await self._drop()
            return self._failed(f"the policy did not decide within {self._deadline:g} s")
        except (EngineGone, OSError) as error:
            await self._drop()
            return self._failed(str(error))
        except BaseException:
            await self._drop()
            raise
        return self._settle(package, answer)

    def _settle(self, package: str, answer: dict[str, Any]) -> Decision:
        if "error" in answer:
            return self._failed(f"the policy {package} failed: {answer['error']}")
        allow, reason = answer.get("allow"), str(answer.get("reason", ""))
        if allow is True:
            return Decision(True, reason or f"allowed by {package}", self.revision)
        if allow is False:
            return Decision(False, reason or f"denied by {package}", self.revision)
        return self._failed(f"the policy {package} says neither yes nor no (undefined)")

    async def _running(self) -> Engine:
        if self._bad:
            raise EngineGone(self._bad)
        if self._engine is None:
            self._engine = await Engine.start(self._policies)
        return self._engine

    async def _drop(self) -> None:
        engine, self._engine = self._engine, None
        if engine is not None:
            await engine.end()

    def _failed(self, reason: str) -> Decision:
        return Decision(False, reason, self.revision, failed=True)


def _read(places: tuple[Path, ...]) -> list[tuple[str, str]]:
    """Name and text of each policy, in a fixed order."""
    files = [file for place in places for file in (sorted(place.glob("*.rego")) if place.is_dir() else [place])]
    if not files:
        raise HomeportError("no policy files", operation="load policies", subject=", ".join(map(str, places)))
    try:
        return [(file.name, file.read_text(encoding="utf-8")) for file in files]
    except (OSError, UnicodeDecodeError) as error:
        raise HomeportError(f"a policy cannot be read: {error}", operation="load policies") from error
