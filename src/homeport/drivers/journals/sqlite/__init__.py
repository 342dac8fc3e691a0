# SPDX-License-Identifier: Apache-2.0
"""The request journal in one SQLite file: WAL, synced at every commit, one writer thread, natural group commit.

Belongs here: SQL, rows, the writer thread, the owner's lock. Does not belong here: what a state change means."""

from homeport.drivers.journals.sqlite.journal import Options, SqliteJournal

__all__ = ["Options", "SqliteJournal"]
