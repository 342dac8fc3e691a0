# SPDX-License-Identifier: Apache-2.0
"""What `flow.carry_out` needs from the app: folders, one-off installs, agents under supervision."""

from __future__ import annotations

from typing import Protocol

from homeport.interfaces.cloud import Cloud
from homeport.model.agent import Agent
from homeport.model.order import Order
from homeport.model.workload import Workload


class House(Protocol):
    """What carrying out an order needs from the app. Every method may be repeated after a crash."""

    def python_of(self, runtime: str) -> str:
        """The interpreter that installs Python dependencies there."""
        ...

    def cloud(self, name: str) -> Cloud: ...

    async def former(self, order: Order) -> Agent | None:
        """The agent that has the order's name now. Raises `Conflict` if it is not the one the order was made for."""
        ...

    async def has_image(self, agent: Agent) -> bool:
        """Whether the image that it runs from is on this machine, if it runs from one. Raises `Unavailable`."""
        ...

    async def lay_out(self, order: Order) -> str:
        """The planned state of the source as a folder, whole or not at all; its place below the folder of all agents.

        Raises `StalePlan`.
        """
        ...

    async def obtain_image(self, order: Order, code: str) -> str:
        """The id of the image it runs from: fetched, or built from the folder `code`, which is gone afterwards.

        Raises `Unhealthy` with the last lines of a build that fails, `NoStartCommand` where neither image nor plan
        says what to run.
        """
        ...

    async def clear(self, order: Order) -> None:
        """Remove what `lay_out`, `obtain_image` and `install` made, unless an agent uses it."""
        ...

    async def install(self, order: Order, job: Workload) -> None:
        """Run the one-off to its end. Raises `Unhealthy` with its last lines where it fails."""
        ...

    async def enlist(self, agent: Agent) -> None:
        """Create the agent, or give the one of this id its new workload, and start it."""
        ...

    async def dismiss(self, order: Order, former: Agent | None) -> None:
        """Undo `enlist`: remove the agent, or give it back its former workload."""
        ...

    async def release(self, machine_id: str) -> None:
        """Give back a machine that nothing runs on any more. Already gone is no error."""
        ...

    async def until_settled(self, order: Order) -> Agent:
        """The agent once it is running, crashed or stopped; with its last log lines in `detail` if it failed."""
        ...
