# SPDX-License-Identifier: Apache-2.0
"""The runtimes of this server by name, each made when it is first needed: a container engine may never be."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack

from homeport.errors import UsageError
from homeport.interfaces.images import Images
from homeport.interfaces.runtime import Runtime


class Runtimes:
    def __init__(self, makers: Mapping[str, Callable[[], Runtime]], images: Images) -> None:
        self._makers, self.images = makers, images
        self._made: dict[str, Runtime] = {}

    def of(self, name: str) -> Runtime:
        """Raises `UsageError` for a name that no driver here has."""
        if name not in self._made:
            maker = self._makers.get(name)
            if maker is None:
                known = ", ".join(self._makers)
                raise UsageError(f"no runtime {name!r} here", operation="run", subject=name, hint=f"one of: {known}")
            self._made[name] = maker()
        return self._made[name]

    def in_use(self) -> Mapping[str, Runtime]:
        """Those made so far."""
        return self._made

    async def close(self) -> None:
        """Let go of them; instances keep running."""
        async with AsyncExitStack() as stack:
            for runtime in self._made.values():
                stack.push_async_callback(runtime.close)
            stack.push_async_callback(self.images.close)
