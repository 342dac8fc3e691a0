# SPDX-License-Identifier: Apache-2.0
"""The audit trail in one append-only file of JSON lines, each holding the hash of the one before it."""

from homeport.drivers.audits.file.audit import FileAudit, Options

__all__ = ["FileAudit", "Options"]
