# SPDX-License-Identifier: Apache-2.0
"""The SQLite journal and the one in memory never disagree, whatever is asked of them and whenever it crashes."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from hypothesis.stateful import rule

from homeport.drivers.journals.sqlite import Options, SqliteJournal
from homeport.interfaces.journal import Journal
from journal_machine import JournalMachine, thorough


class SqliteJournalMachine(JournalMachine):
    async def opened(self) -> Journal:
        self.folder = Path(tempfile.mkdtemp())
        self.crashes = 0
        return SqliteJournal(Options(self.folder / "0.db"))

    @rule()
    def crash(self) -> None:
        """The files as they are at this moment, opened by a new process."""
        self.crashes += 1
        for file in self.folder.glob(f"{self.crashes - 1}.db*"):
            if not file.name.endswith((".lock", "-shm")):
                shutil.copy(file, self.folder / file.name.replace(f"{self.crashes - 1}.db", f"{self.crashes}.db"))
        self.loop.run_until_complete(self.real.close())
        self.real = SqliteJournal(Options(self.folder / f"{self.crashes}.db"))

    def teardown(self) -> None:
        super().teardown()
        if hasattr(self, "folder"):
            shutil.rmtree(self.folder)


TestJournalModel = SqliteJournalMachine.TestCase
TestJournalModel.settings = thorough(examples=15, steps=25)
