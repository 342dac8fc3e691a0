# SPDX-License-Identifier: Apache-2.0
"""What one call of the program knows: the shared options, the settings and the client they lead to."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from homeport.client import Client
    from homeport.settings import Settings


@dataclass
class Session:
    """`given` are the shared options that were set, and the settings that a verb's own flags set."""

    given: dict[str, Any] = field(default_factory=dict)

    @property
    def json(self) -> bool:
        return bool(self.given.get("as_json"))

    @cached_property
    def settings(self) -> Settings:
        """Raises `UsageError` naming what cannot be read."""
        from homeport.model.names import check_name
        from homeport.settings import load

        flags = {key: self.given.get(key) for key in ("namespace", "url", "api_listen", "gateway_listen", "idle_exit")}
        settings = load(flags, env_file=self.given.get("env_file"))
        check_name(settings.namespace, "namespace")
        return settings

    @cached_property
    def client(self) -> Client:
        from homeport.client import Client

        if self.settings.token and _in_clear(self.settings.url):
            from homeport.cli.output import say

            say("note: the token goes over plain HTTP to another machine; anybody on the way can read it")
        return Client(self.settings)


def _in_clear(url: str) -> bool:
    from urllib.parse import urlsplit

    host = url.startswith("http://") and urlsplit(url).hostname
    return bool(host) and host not in ("localhost", "::1") and not str(host).startswith("127.")
