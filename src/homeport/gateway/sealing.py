# SPDX-License-Identifier: Apache-2.0
"""Credential headers never lie in the journal in clear."""

from __future__ import annotations

from homeport.interfaces.secrets import Sealer
from homeport.model.request import Headers

_CREDENTIALS = frozenset((b"authorization", b"cookie", b"set-cookie", b"x-api-key", b"proxy-authorization"))
_MARK = b"\0sealed:"
"""No header from the wire can begin so: NUL is refused by the parser."""


class Sealing:
    def __init__(self, sealer: Sealer) -> None:
        self._sealer = sealer

    def seal(self, headers: Headers) -> Headers:
        if _CREDENTIALS.isdisjoint([name.lower() for name, _ in headers]):
            return headers
        return tuple(
            (name, _MARK + self._sealer.seal(value) if name.lower() in _CREDENTIALS else value)
            for name, value in headers
        )

    def unseal(self, headers: Headers) -> Headers:
        """Raises `HomeportError` when the key of this installation is not the one they were sealed with."""
        if not [value for _, value in headers if value.startswith(_MARK)]:
            return headers
        return tuple(
            (name, self._sealer.unseal(value[len(_MARK) :]) if value.startswith(_MARK) else value)
            for name, value in headers
        )


def redacted(headers: Headers) -> list[tuple[str, str]]:
    """For people: names and values, credentials replaced by "(sealed)"."""
    return [
        (name.decode("latin-1"), "(sealed)" if name.lower() in _CREDENTIALS else value.decode("latin-1"))
        for name, value in headers
    ]
