# SPDX-License-Identifier: Apache-2.0
"""Credentials in headers and targets never lie in the journal in clear; with encryption on no header does."""

from __future__ import annotations

import binascii
import hmac
from functools import lru_cache

from homeport.gateway.core.aead import HEADER, open_whole, seal_whole
from homeport.gateway.sealing.keys import Keys, changed
from homeport.gateway.sealing.whose import BLOCK, in_block, of_request
from homeport.interfaces.secrets import Sealer
from homeport.model.redaction import is_credential_header, redact
from homeport.model.request import Headers, pack_headers, unpack_headers

_KNOWN = 1024
_known: dict[bytes, bool] = {}
"""Of header names, of which there are few: each is looked at once. Bounded, for they are a caller's choice."""
_MARK = b"\0sealed:"
"""No header from the wire can begin so: NUL is refused by the parser."""

_SEALED_TARGET = " sealed:"
"""Between what may be shown of a target and the whole of it. No target from the wire holds a space."""
_LONGEST = 2048
"""Characters of a target that are searched; a longer one is sealed unread, and shown up to its query."""


class Sealing:
    """`whose` says to what a piece belongs (`of_request`, `of_response`): it opens for nothing else.

    What opens something raises `Unreadable` where it was changed or its key is not here, `Unavailable` while the
    journal, which has the key, is away.
    """

    def __init__(self, sealer: Sealer, keys: Keys) -> None:
        self._sealer = sealer
        self.keys = keys

    def needed(self, headers: Headers) -> bool:
        """Whether `seal` changes anything of them."""
        if self.keys.current is not None:
            return True
        known = _known
        for name, _ in headers:  # noqa: SIM110  (a generator costs twice as much)
            if known.get(name, True) and _credential(name):
                return True
        return False

    def seal(self, headers: Headers, whose: str) -> Headers:
        key = self.keys.current
        if key is not None:
            block = seal_whole(self.keys.ciphers, key.secret, key.header(), _bound(whose), pack_headers(headers))
            return ((b"", BLOCK + binascii.b2a_base64(block, newline=False)),)
        if not self.needed(headers):
            return headers
        return tuple(
            (name, _MARK + self._sealer.seal(value) if _credential(name) else value) for name, value in headers
        )

    async def unseal(self, headers: Headers, whose: str) -> Headers:
        """Raises `HomeportError` when the key of this installation is not the one they were sealed with."""
        if in_block(headers):
            return await self._unpacked(headers, whose)
        if not [value for _, value in headers if value.startswith(_MARK)]:
            return headers
        return tuple(
            (name, self._sealer.unseal(value[len(_MARK) :]) if value.startswith(_MARK) else value)
            for name, value in headers
        )

    async def shown(self, headers: Headers, whose: str) -> list[tuple[str, str]]:
        """For people: credentials redacted."""
        return redacted(await self._unpacked(headers, whose) if in_block(headers) else headers)

    def seal_target(self, target: str) -> str:
        """The same where it holds no credential (`?token=…`); else what may be shown of it, and the whole, sealed."""
        shown = _shown(target)
        if shown == target:
            return target
        return shown.replace(" ", "+") + _SEALED_TARGET + self._sealer.seal(target.encode("latin-1")).decode()

    def unseal_target(self, target: str) -> str:
        """Raises as `unseal`."""
        _, mark, sealed = target.partition(_SEALED_TARGET)
        return self._sealer.unseal(sealed.encode()).decode("latin-1") if mark else target

    def whose(self, request_id: str) -> str:
        """For `Spool.read` of a request's body that has just come; "" while encryption is off."""
        return of_request(request_id) if self.keys.current is not None else ""

    def fingerprint(self, digest: str) -> str:
        """What is kept of a request's digest, so that it tells nobody who guesses bodies which one it was."""
        key = self.keys.current
        if key is None:
            return digest
        header = key.header()
        return f"{header.hex()}:{_marked(key.secret, header, digest)}"

    async def same(self, fingerprint: str, digest: str) -> bool:
        """Whether it is of this digest, however it was kept."""
        header, mark, kept = fingerprint.partition(":")
        if not mark:
            return fingerprint == digest
        raw = _unhex(header)
        key = await self.keys.of_header(raw)
        return hmac.compare_digest(kept, _marked(key.secret, raw, digest))

    async def _unpacked(self, headers: Headers, whose: str) -> Headers:
        try:
            block = binascii.a2b_base64(headers[0][1][len(BLOCK) :], strict_mode=True)
        except binascii.Error:
            raise changed("its headers") from None
        key = await self.keys.of_header(block[:HEADER])
        plain = open_whole(self.keys.ciphers, key.secret, _bound(whose), block)
        if plain is None:
            raise changed("its headers")
        return unpack_headers(plain)


def _credential(name: bytes) -> bool:
    found = _known.get(name)
    if found is None:
        if len(_known) >= _KNOWN:
            _known.clear()
        found = _known[name] = is_credential_header(name)
    return found


def _bound(whose: str) -> bytes:
    return b"%s headers" % whose.encode()


def _marked(secret: bytes, header: bytes, digest: str) -> str:
    return hmac.new(hmac.digest(secret, b"fingerprint " + header, "sha256"), digest.encode(), "sha256").hexdigest()


def _unhex(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        return b""


def shown_target(target: str) -> str:
    """For people: credentials masked."""
    return target.partition(_SEALED_TARGET)[0]


@lru_cache(maxsize=512)
def _shown(target: str) -> str:
    return redact(target) if len(target) <= _LONGEST else target[:_LONGEST].partition("?")[0][:200] + "?..."


def redacted(headers: Headers) -> list[tuple[str, str]]:
    """For people: names and values, credentials replaced by "(sealed)"."""
    return [
        (name.decode("latin-1"), "(sealed)" if _credential(name) else value.decode("latin-1"))
        for name, value in headers
    ]
