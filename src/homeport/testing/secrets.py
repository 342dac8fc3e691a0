# SPDX-License-Identifier: Apache-2.0
"""Secrets in memory and a sealer without cryptography, kept honest by the suites that the real ones pass."""

from __future__ import annotations

import base64
import hashlib
import hmac

from homeport.errors import HomeportError, NotFound, UsageError
from homeport.model.secret import LONGEST_VALUE, check_secret_name


class MemorySecrets:
    def __init__(self) -> None:
        self._values: dict[tuple[str, str], str] = {}

    async def put(self, namespace: str, name: str, value: str) -> None:
        check_secret_name(name)
        if len(value) > LONGEST_VALUE:
            raise UsageError(f"a secret is at most {LONGEST_VALUE} characters", subject=name)
        self._values[namespace, name] = value

    async def get(self, namespace: str, name: str) -> str:
        check_secret_name(name)
        try:
            return self._values[namespace, name]
        except KeyError:
            raise NotFound(f"there is no secret {name}", subject=name, hint=f"homeport secret set {name}") from None

    async def delete(self, namespace: str, name: str) -> bool:
        check_secret_name(name)
        return self._values.pop((namespace, name), None) is not None

    async def names(self, namespace: str) -> list[str]:
        return sorted(name for there, name in self._values if there == namespace)


class PlainSealer:
    """Hides nothing; notices another key and every change. For tests only."""

    def __init__(self, key: bytes = b"test") -> None:
        self._key = key

    def seal(self, plain: bytes) -> bytes:
        return base64.urlsafe_b64encode(self._mark(plain) + plain)

    def unseal(self, sealed: bytes) -> bytes:
        try:
            raw = base64.b64decode(sealed, altchars=b"-_", validate=True)
        except ValueError:
            raw = b""
        if not hmac.compare_digest(raw[:32], self._mark(raw[32:])):
            raise HomeportError("it was sealed with another key, or changed since", operation="unseal")
        return raw[32:]

    def _mark(self, plain: bytes) -> bytes:
        return hmac.digest(self._key, plain, hashlib.sha256)
