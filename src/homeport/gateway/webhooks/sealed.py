# SPDX-License-Identifier: Apache-2.0
"""URLs and signing secrets as records hold them: sealed, and bound to their webhook."""

from __future__ import annotations

import json

from homeport.errors import HomeportError
from homeport.interfaces.secrets import Sealer


def sealed_for(sealer: Sealer, hook_id: str, text: str) -> str:
    return sealer.seal(json.dumps({"webhook": hook_id, "text": text}).encode()).decode("ascii")


def opened(sealer: Sealer, hook_id: str, sealed: str) -> str:
    """The reverse. Raises `HomeportError` where the installation has another key, or this was another webhook's."""
    held = json.loads(sealer.unseal(sealed.encode()))
    if not isinstance(held, dict) or held.get("webhook") != hook_id:
        raise HomeportError("the record of a webhook was moved there from another", subject=hook_id)
    return str(held["text"])
