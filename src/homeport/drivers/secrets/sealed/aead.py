# SPDX-License-Identifier: Apache-2.0
"""AES-256-GCM (NIST SP 800-38D). `cryptography` is imported with the first key."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM


class AesGcm:
    """One key of 32 bytes; `interfaces.secrets.Aead`."""

    __slots__ = ("_changed", "_cipher")

    def __init__(self, key: bytes) -> None:
        cipher, self._changed = _library()
        self._cipher = cipher(key)

    def seal(self, nonce: bytes, plain: bytes | bytearray | memoryview, whose: bytes) -> bytes:
        return self._cipher.encrypt(nonce, plain, whose)

    def unseal(self, nonce: bytes, sealed: bytes, whose: bytes) -> bytes | None:
        try:
            return self._cipher.decrypt(nonce, sealed, whose)
        except self._changed:
            return None


@cache
def _library() -> tuple[type[AESGCM], type[InvalidTag]]:
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    return AESGCM, InvalidTag
