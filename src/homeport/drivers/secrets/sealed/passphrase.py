# SPDX-License-Identifier: Apache-2.0
"""Keys under a passphrase: scrypt makes a Fernet key of it. The salt and the cost are beside what is sealed."""

from __future__ import annotations

import base64
import json
import os
from typing import Any

from homeport.errors import Denied, HomeportError

COST = {"n": 1 << 16, "r": 8, "p": 1}
"""64 MiB and a few tenths of a second for each guess."""
_MOST = 1 << 28
"""Bytes of memory that a sealed text may ask for: it may come from anybody."""


class PassphraseSealer:
    def seal(self, plain: bytes, passphrase: str) -> bytes:
        from cryptography.fernet import Fernet

        salt = os.urandom(16)
        token = Fernet(_key(passphrase, salt, COST)).encrypt(plain)
        return json.dumps({"v": 1, "kdf": "scrypt", **COST, "salt": salt.hex(), "sealed": token.decode()}).encode()

    def unseal(self, sealed: bytes, passphrase: str) -> bytes:
        from cryptography.fernet import Fernet, InvalidToken

        cost, salt, token = _read(sealed)
        try:
            return Fernet(_key(passphrase, salt, cost)).decrypt(token)
        except InvalidToken:
            raise Denied("the passphrase does not open it", operation="unseal", hint="try another one") from None


def _read(sealed: bytes) -> tuple[dict[str, int], bytes, bytes]:
    try:
        data: dict[str, Any] = json.loads(sealed)
        cost = {name: int(data[name]) for name in COST}
        salt, token = bytes.fromhex(data["salt"]), str(data["sealed"]).encode("ascii")
        known = (data["v"], data["kdf"]) == (1, "scrypt")
    except (ValueError, KeyError, TypeError):
        raise HomeportError("what is sealed is damaged", operation="unseal") from None
    if not known:
        raise HomeportError("it was sealed by a newer Homeport", operation="unseal", hint="use the newer version")
    n, r, p = cost["n"], cost["r"], cost["p"]
    sound = n > 1 and n & (n - 1) == 0 and 0 < r <= 64 and 0 < p <= 4 and 128 * n * r <= _MOST and len(salt) <= 64
    if not sound:
        raise HomeportError("what is sealed asks for too much work", operation="unseal")
    return cost, salt, token


def _key(passphrase: str, salt: bytes, cost: dict[str, int]) -> bytes:
    from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

    return base64.urlsafe_b64encode(Scrypt(salt=salt, length=32, **cost).derive(passphrase.encode()))
