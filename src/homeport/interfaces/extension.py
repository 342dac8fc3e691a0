# SPDX-License-Identifier: Apache-2.0
"""What users add of their own: selectors and hooks. They are the user's code, found where the user put them.

A file in a plugin folder, or what an entry point leads to, has any of the methods here, as functions or as an object's
methods; or the names that EnvAgent-plus gave them: `select_node_type(requirements)`,
`pre_launch_hook(server_name, image_id)`, `post_launch_hook(server_id, floating_ip)`, `on_server_ready(server_info)`.

All of it runs in the process that the user called (`plan`, `up`, `apply`), never in the server: the server may be
another's, and the files are here. A call ends within `homeport.app.extensions.LIMIT_S` seconds or is given up.
What it prints goes to stderr, for stdout is data. `async` functions are run to their end.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from homeport.model.plan import Offer
from homeport.model.requirements import Requirements


class Selector(Protocol):
    def select(self, requirements: Requirements, fitting: Sequence[Offer]) -> Offer | None:
        """One of `fitting` (never empty, the ranking's own order), or None to leave the choice to the ranking.

        What raises, or chooses what is not among them, is a warning, and the ranking's choice stands.
        """
        ...


class Hook(Protocol):
    """`facts` are plain values; `homeport.app.extensions.facts` says which."""

    def before_launch(self, facts: dict[str, Any]) -> None:
        """The user has agreed to the price; nothing was spent. What raises stops it, and its text says why."""
        ...

    def after_launch(self, facts: dict[str, Any]) -> None:
        """The machine is there and the agent runs. What raises is a warning."""
        ...

    def on_ready(self, facts: dict[str, Any]) -> None:
        """The agent answers. What raises is a warning."""
        ...
