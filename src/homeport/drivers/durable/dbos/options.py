# SPDX-License-Identifier: Apache-2.0
"""What the DBOS driver needs to know."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Options:
    """`executor_id` and `application_version` stay the same over releases: DBOS resumes only what was started under
    the same pair. What changes with a release is the name of a saga."""

    database: Path
    """durable.db, opened by this driver only. Not used when `url` is given."""
    lock: Path
    """Held by flock while launched: one server per state folder."""
    application_version: str = "1"
    executor_id: str = "homeport"
    url: str = field(default="", repr=False)
    """A PostgreSQL database (postgresql://…, as libpq reads it) instead of the file. Several servers may know it; that
    one at a time launches is for `interfaces.claim` to see to."""
    schema: str = "dbos"
    """Where DBOS keeps its tables there. Made at launch."""
    threads: int = 8
    """At most so many threads of DBOS wait for its database at once."""
