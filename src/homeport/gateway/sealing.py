# SPDX-License-Identifier: Apache-2.0
"""Credentials in headers and targets never lie in the journal in clear."""

from __future__ import annotations

from functools import lru_cache

from homeport.interfaces.secrets import Sealer
from homeport.model.redaction import is_credential_header, redact
from homeport.model.request import Headers

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
    def __init__(self, sealer: Sealer) -> None:
        self._sealer = sealer

    def needed(self, headers: Headers) -> bool:
        known = _known
        for name, _ in headers:  # noqa: SIM110  (a generator costs twice as much)
            if known.get(name, True) and _credential(name):
                return True
        return False

    def seal(self, headers: Headers) -> Headers:
        if not self.needed(headers):
            return headers
        return tuple(
            (name, _MARK + self._sealer.seal(value) if _credential(name) else value) for name, value in headers
        )

    def unseal(self, headers: Headers) -> Headers:
        """Raises `HomeportError` when the key of this installation is not the one they were sealed with."""
        if not [value for _, value in headers if value.startswith(_MARK)]:
            return headers
        return tuple(
            (name, self._sealer.unseal(value[len(_MARK) :]) if value.startswith(_MARK) else value)
            for name, value in headers
        )

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


def _credential(name: bytes) -> bool:
    found = _known.get(name)
    if found is None:
        if len(_known) >= _KNOWN:
            _known.clear()
        found = _known[name] = is_credential_header(name)
    return found


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
