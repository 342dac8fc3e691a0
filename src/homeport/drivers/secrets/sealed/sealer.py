# SPDX-License-Identifier: Apache-2.0
"""Fernet (AES-128-CBC and HMAC-SHA-256) with the installation's key. `cryptography` is imported at first use."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from homeport.drivers.secrets.sealed.keyfile import read_or_create
from homeport.errors import HomeportError

if TYPE_CHECKING:
    from cryptography.fernet import Fernet


@dataclass(frozen=True, slots=True)
class Options:
    key_file: Path
    """Made 0600 at first use. Without it nothing sealed can be read: back it up, apart from the database."""


class FernetSealer:
    """Both methods raise `HomeportError` for a key file that is unusable, with the command that mends it."""

    def __init__(self, options: Options) -> None:
        self._path = options.key_file
        self._fernet: Fernet | None = None

    def seal(self, plain: bytes) -> bytes:
        return self._key().encrypt(plain)

    def unseal(self, sealed: bytes) -> bytes:
        from cryptography.fernet import InvalidToken

        try:
            return self._key().decrypt(sealed)
        except InvalidToken:
            raise HomeportError(
                "it was sealed with another key, or changed since",
                operation="unseal",
                subject=str(self._path),
                hint=f"restore the key file {self._path} that belongs to this database, or set the value again",
            ) from None

    def _key(self) -> Fernet:
        if self._fernet is None:
            from cryptography.fernet import Fernet

            key = read_or_create(self._path, Fernet.generate_key).strip()
            try:
                self._fernet = Fernet(key)
            except ValueError:
                raise HomeportError(
                    f"{self._path} does not hold a key",
                    operation="unseal",
                    subject=str(self._path),
                    hint="restore the key file from a backup",
                ) from None
        return self._fernet
