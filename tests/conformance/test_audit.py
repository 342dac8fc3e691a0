# SPDX-License-Identifier: Apache-2.0
"""Every Audit driver, and the fake, does the same."""

from __future__ import annotations

import pytest

from homeport.drivers.audits.file import FileAudit, Options
from homeport.testing.audits import MemoryAudit
from homeport.testing.conformance.audit import AuditSuite


class TestMemoryAudit(AuditSuite):
    @pytest.fixture
    async def audit(self):
        audit = MemoryAudit()
        yield audit
        await audit.close()


class TestFileAudit(AuditSuite):
    @pytest.fixture
    async def audit(self, tmp_path):
        audit = FileAudit(Options(tmp_path / "audit.jsonl"))
        yield audit
        await audit.close()
