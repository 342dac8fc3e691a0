# SPDX-License-Identifier: Apache-2.0
"""What agents print, as it is shown: without credentials, and without the secrets that they were given."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace

from homeport.app.runtimes import Runtimes
from homeport.errors import NotFound
from homeport.interfaces.secrets import Secrets
from homeport.model.instance import LogLine
from homeport.model.redaction import redact


@dataclass(frozen=True, slots=True)
class AgentLogs:
    runtimes: Runtimes
    secrets: Secrets

    async def read(
        self,
        agent_id: str,
        *,
        runtime: str,
        namespace: str,
        given: Sequence[str],
        tail: int = 0,
        since_us: int = 0,
        follow: bool = False,
    ) -> AsyncIterator[LogLine]:
        """As `Runtime.logs`; `given` are the names of the agent's secrets, as they are now."""
        values = [value for name in given if (value := await self._value(namespace, name))]
        async for line in self.runtimes.of(runtime).logs(agent_id, tail=tail, since_us=since_us, follow=follow):
            yield replace(line, text=redact(line.text, values))

    async def _value(self, namespace: str, name: str) -> str:
        try:
            return await self.secrets.get(namespace, name)
        except NotFound:  # taken away since: then nothing here knows what to look for
            return ""
