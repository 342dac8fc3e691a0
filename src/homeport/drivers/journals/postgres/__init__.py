# SPDX-License-Identifier: Apache-2.0
"""The request journal in a PostgreSQL database that several gateways share: one writing connection each, group commit.

Belongs here: SQL, rows, connections, what to do while the server is away. Does not belong here: what a state change
means, who renews leases, who judges the overdue."""

from homeport.drivers.journals.postgres.journal import Options, PostgresJournal

__all__ = ["Options", "PostgresJournal"]
