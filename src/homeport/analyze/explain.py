# SPDX-License-Identifier: Apache-2.0
"""What to tell a user whose repository says nowhere how it starts."""

from __future__ import annotations

from homeport.errors import NoStartCommand
from homeport.model.requirements import Requirements

HINT = "write `start: COMMAND` into a homeport.yaml in its root, or say it with --start 'COMMAND'"


def explain_no_start(requirements: Requirements) -> NoStartCommand:
    """The error to raise: what was looked for, what stood in the way, and the two ways to say it."""
    lines = ["nothing in this source says how it starts; looked for:"]
    lines += [f"  - {what}" for what in requirements.looked_for]
    about = [text for text in requirements.warnings if "start" in text or "command" in text]
    if about:
        lines += ["and this was not taken:", *(f"  - {text}" for text in about[:5])]
    return NoStartCommand("\n".join(lines), operation="analyze", hint=HINT)
