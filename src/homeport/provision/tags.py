# SPDX-License-Identifier: Apache-2.0
"""The mark on everything we create in a cloud."""

from __future__ import annotations

import hashlib
import re

TAG = re.compile(r"[0-9a-f]{12}")


def owner_tag(namespace: str, workflow_id: str) -> str:
    """12 hex digits, the same for every rerun of the workflow: what carries it is ours, and of this workflow.

    48 bits: among a million machines of one account the chance of any clash is below 0.2 %, and clouds allow short
    names only.
    """
    return hashlib.sha256(f"{namespace}\0{workflow_id}".encode()).hexdigest()[:12]
