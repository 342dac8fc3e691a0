# SPDX-License-Identifier: Apache-2.0
"""The claim to be the one server that decides, as a session's advisory lock on the database that all of them share.

Belongs here: the lock, and the row that says who took it last.
Does not belong here: when a standby may take it (`app.holding`).
"""

from homeport.drivers.claims.postgres.claim import Options, PostgresClaim

__all__ = ["Options", "PostgresClaim"]
