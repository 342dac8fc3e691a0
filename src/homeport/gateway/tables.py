# SPDX-License-Identifier: Apache-2.0
"""Routing tables as gateways keep them in their journal, each under its own name."""

from __future__ import annotations

from homeport.errors import HomeportError
from homeport.interfaces.journal import Journal
from homeport.model.codec import from_json
from homeport.model.route import RoutingTable

NOTE = "routes"


async def newest_revision(journal: Journal) -> int:
    """Of all the tables on this journal: who has it knows best which agents there are. -1 where there is none."""
    found = [-1]
    for raw in (await journal.notes(NOTE)).values():
        try:
            found.append(from_json(raw, RoutingTable).revision)
        except HomeportError:
            return 2**63  # of a newer version, which knows better than we do
    return max(found)
