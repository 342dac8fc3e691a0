# SPDX-License-Identifier: Apache-2.0
"""The git calls of one fetch or export, all within one deadline."""

from __future__ import annotations

import asyncio
from pathlib import Path

from homeport.drivers.fetchers.git.command import argv, environment
from homeport.drivers.fetchers.git.options import Options
from homeport.drivers.fetchers.git.process import Done, TooMuch, run
from homeport.drivers.fetchers.git.trouble import explain, too_much


class Session:
    """`address` is what errors talk about."""

    def __init__(self, options: Options, address: str, ref: str = "") -> None:
        self.options = options
        self.address = address
        self.ref = ref
        self.deadline = asyncio.get_running_loop().time() + options.max_seconds

    async def call(
        self,
        *words: str,
        online: bool = False,
        stdin: bytes = b"",
        watch: Path | None = None,
        max_records: int = 0,
    ) -> Done:
        """Run git; its exit status is the caller's to judge. Raises `InvalidSource` when a cap is reached."""
        env = environment(self.options, self.options.schemes if online else ())
        try:
            return await run(
                argv(*words), env, deadline=self.deadline, stdin=stdin, watch=watch,
                max_bytes=self.options.max_bytes, max_records=max_records,
            )  # fmt: skip
        except TooMuch as cap:
            seconds, size = self.options.max_seconds, self.options.max_bytes
            raise too_much(cap, self.address, seconds=seconds, max_bytes=size) from None

    async def must(self, *words: str, online: bool = False, watch: Path | None = None, max_records: int = 0) -> bytes:
        """Run git and return its output. Raises what its failure means for the user."""
        done = await self.call(*words, online=online, watch=watch, max_records=max_records)
        if done.status != 0:
            raise explain(done.errors, self.address, self.ref)
        return done.output

    def seconds_left(self) -> float:
        return self.deadline - asyncio.get_running_loop().time()
