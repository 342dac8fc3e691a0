# SPDX-License-Identifier: Apache-2.0
"""Secrets, sealed at rest."""

from __future__ import annotations

from typing import Protocol


class Secrets(Protocol):
    """Names as `model.secret.check_secret_name`; every method raises `UsageError` for another."""

    async def put(self, namespace: str, name: str, value: str) -> None:
        """Create or replace. Durable on return. Raises `UsageError` for more than 64 Ki characters, `StorageFull`."""
        ...

    async def get(self, namespace: str, name: str) -> str:
        """Raises `NotFound` with the command that would set it; never returns a default."""
        ...

    async def delete(self, namespace: str, name: str) -> bool:
        """True if it was there; already gone is False."""
        ...

    async def names(self, namespace: str) -> list[str]:
        """Names only, sorted."""
        ...


class Sealer(Protocol):
    """Authenticated encryption with the installation's key."""

    def seal(self, plain: bytes) -> bytes: ...

    def unseal(self, sealed: bytes) -> bytes:
        """Raises `HomeportError` when it was sealed with another key or changed."""
        ...


class Passphrases(Protocol):
    """Authenticated encryption with what a person remembers. Slow on purpose: call it in a thread."""

    def seal(self, plain: bytes, passphrase: str) -> bytes: ...

    def unseal(self, sealed: bytes, passphrase: str) -> bytes:
        """Raises `Denied` for another passphrase, `HomeportError` for what `seal` did not make."""
        ...


class Aead(Protocol):
    """Authenticated encryption with one key. No nonce (12 bytes) may be used twice with it."""

    def seal(self, nonce: bytes, plain: bytes | bytearray | memoryview, whose: bytes) -> bytes:
        """16 bytes longer than `plain`. `whose` is not in it, but needed to open it."""
        ...

    def unseal(self, nonce: bytes, sealed: bytes, whose: bytes) -> bytes | None:
        """None where it is not what `seal` made of these, or was changed."""
        ...
