# SPDX-License-Identifier: Apache-2.0
"""Whether the gateway keeps bodies encrypted, and with which cipher."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import cast

from homeport.errors import UsageError
from homeport.gateway.sealing import Keys
from homeport.interfaces.extension_points import driver
from homeport.interfaces.journal import Journal
from homeport.interfaces.secrets import Aead, Sealer
from homeport.settings import Settings

_ON = {"on": True, "off": False, "": False}


def wanted(settings: Settings) -> bool:
    """Raises `UsageError` for what is neither on nor off."""
    try:
        return _ON[settings.journal_encryption]
    except KeyError:
        raise UsageError(
            f"HOMEPORT_JOURNAL_ENCRYPTION must be on or off, not {settings.journal_encryption!r}",
            subject="journal_encryption",
        ) from None


def keys(settings: Settings, journal: Journal, sealer: Sealer) -> Keys:
    return Keys(journal, sealer, _cipher, on=wanted(settings))


def _cipher(key: bytes) -> Aead:
    return _driver()(key)


@cache
def _driver() -> Callable[[bytes], Aead]:
    """Its library is loaded with the first body that needs it."""
    return cast("Callable[[bytes], Aead]", driver("aead", "aes-256-gcm"))
