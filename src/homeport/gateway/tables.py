# SPDX-License-Identifier: Apache-2.0
"""Routing tables as gateways keep them in their journal, each under its own name."""

from __future__ import annotations

from homeport.errors import HomeportError
from homeport.interfaces.journal import Journal
from homeport.model.codec import from_json
from homeport.model.route import RoutingTable

NOTE = "routes"


async def newest_revision(journal: Journal) -> int:
    """Of the tables on this journal: who has it knows best which agents there are. -1 where there is none.

    Those of standbys do not count: each is newer than the one it repeats, and knows less.
    """
    found = [-1]
    for raw in (await journal.notes(NOTE)).values():
        try:
            table = from_json(raw, RoutingTable)
        except HomeportError:
            return 2**63  # of a newer version, which knows better than we do
        if not table.mirror:
            found.append(table.revision)
    return max(found)
