# SPDX-License-Identifier: Apache-2.0
"""Durable steps on DBOS: sagas and their records, on SQLite or PostgreSQL, without another server.

Belongs here: everything that knows DBOS; `saga`, the promises to a saga over any recorder.
Does not belong here: sagas themselves. DBOS is imported by `launch`, not by importing this package.
"""

from homeport.drivers.durable.dbos.driver import DbosDurable
from homeport.drivers.durable.dbos.options import Options

__all__ = ["DbosDurable", "Options"]
