# SPDX-License-Identifier: Apache-2.0
"""Taking secrets out of what people and files get to see. Pure.

Two ways at once: values known to be secret, wherever they are; and texts that look like credentials. All is found in
the text as it came, then masked together, so that one mask never hides half of another finding. Every pattern is
linear in the length of the text.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any
from urllib.parse import quote, quote_plus

from homeport.model.request import Headers
from homeport.model.secret import SHORTEST_REDACTED

MASK = "***"
DEEPEST = 32
"""Levels of a nested value; what lies below is masked whole."""

_WORDS = (
    r"pass(?:word|wd|phrase|code)|pwd|secret|token|api[_-]?key|access[_-]?key|secret[_-]?key|private[_-]?key"
    r"|signing[_-]?key|encryption[_-]?key|credentials?|client[_-]?secret|session[_-]?key|sig|signature|jwt|otp"
)
_SECRET_NAME = re.compile(rf"(?:^|[^a-z0-9])(?:{_WORDS}|(?:set[_-])?cookie|(?:proxy[_-])?authorization|pass|auth)$")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")

_TOKENS = re.compile(
    r"(?<![A-Za-z0-9])(?:"
    r"hp_[A-Za-z0-9_-]{16,}"
    r"|sk-[A-Za-z0-9_-]{16,}|[rs]k_(?:live|test)_[A-Za-z0-9]{10,}"
    r"|gh[pousr]_[A-Za-z0-9]{16,}|github_pat_[A-Za-z0-9_]{16,}|glpat-[A-Za-z0-9_-]{16,}"
    r"|xox[abeoprs]-[A-Za-z0-9-]{10,}|hf_[A-Za-z0-9]{16,}|hv[sbr]\.[A-Za-z0-9_-]{16,}"
    r"|AIza[A-Za-z0-9_-]{30,}|npm_[A-Za-z0-9]{30,}|pypi-[A-Za-z0-9_-]{16,}"
    r"|(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}(?![A-Za-z0-9])"
    r")"
)
_JWT = re.compile(r"(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]{2,}(?:\.[A-Za-z0-9_-]*){0,3}")
_PEM = re.compile(r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY-----.*?(?:-----END [A-Z0-9 ]{0,40}PRIVATE KEY-----|\Z)", re.S)
_BEARER = re.compile(
    r"\b(?:bearer|basic)[ \t]{1,4}(?=[A-Za-z]{0,64}[0-9._~+/=-])(?P<secret>[A-Za-z0-9._~+/=-]{8,})", re.IGNORECASE
)
_URL_USER = re.compile(r"(?<![a-z0-9+.-])[a-z][a-z0-9+.-]{1,30}://(?P<secret>[^\s/?#\"'<>\\]+)@", re.IGNORECASE)
_HEADER_LINE = re.compile(
    r"""(?:authorization|cookie)(?:\\{0,8}["'])?[ \t]{0,4}[:=][ \t]{0,4}\\{0,8}["']?(?P<secret>[^\r\n"']+)""",
    re.IGNORECASE,
)
_FLAG = re.compile(
    rf"(?<![A-Za-z0-9-])--?[a-z0-9-]{{0,40}}?(?:{_WORDS})[ \t]{{1,4}}(?P<secret>[^\s\"'-][^\s\"']*)",
    re.IGNORECASE,
)
_ASSIGNED = re.compile(
    rf"""(?:(?<![A-Za-z0-9])|(?<=%[0-9A-F][0-9A-F]))(?:{_WORDS})"""
    r"""(?:\\{0,8}["'])?[ \t]{0,4}(?:[:=]|=>|%3D)[ \t]{0,4}"""
    r"""(?:\\{1,8}["'](?P<escaped>[^"'\n]*?)(?=\\{0,8}["'\n]|\Z)"""
    r"""|"(?P<double>(?:[^"\\\n]|\\.)*)|'(?P<single>(?:[^'\\\n]|\\.)*)|(?P<bare>[^\s&;,"'<>)\]}]+))""",
    re.IGNORECASE,
)
_PATTERNS = (_TOKENS, _JWT, _PEM, _BEARER, _URL_USER, _HEADER_LINE, _FLAG, _ASSIGNED)
"""Where a pattern has named groups, the one that matched is what is masked: the name before it stays readable."""


def redact(text: str, secrets: Collection[str] = ()) -> str:
    """The text with every credential masked.

    `secrets` are values to find literally, and as JSON, URL and base64 would write them; those under 4 characters are
    not looked for, because they cannot be told from ordinary text.
    """
    spans = sorted({*_literal_spans(text, secrets), *_pattern_spans(text)})
    if not spans:
        return text
    parts, done, start, end = [], 0, *spans[0]
    for next_start, next_end in [*spans[1:], (len(text) + 1, len(text) + 1)]:
        if next_start <= end:
            end = max(end, next_end)
            continue
        parts += [text[done:start], MASK]
        done, start, end = end, next_start, next_end
    return "".join([*parts, text[done:]])


def names_secret(name: str) -> bool:
    """True for a key, variable, parameter or header that by its name holds a credential."""
    return _SECRET_NAME.search(_CAMEL.sub("_", name).lower()) is not None


def redact_value(value: Any, secrets: Collection[str] = (), *, depth: int = 0) -> Any:
    """Dicts, lists and text, at every level, as plain data: values under names that name secrets are masked whole."""
    if isinstance(value, str):
        return redact(value, secrets)
    if isinstance(value, bytes):
        return redact(value.decode("utf-8", "backslashreplace"), secrets)
    if isinstance(value, Mapping | list | tuple | set | frozenset) and depth >= DEEPEST:
        return MASK
    if isinstance(value, Mapping):
        return {_key(key, secrets): _held(key, held, secrets, depth + 1) for key, held in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [redact_value(held, secrets, depth=depth + 1) for held in value]
    if value is None or isinstance(value, bool | int | float):
        return value
    return redact(str(value), secrets)


def is_credential_header(name: bytes | str) -> bool:
    """True for Authorization, cookies, X-Homeport-Token, X-Api-Key and the like."""
    return names_secret((name.decode("latin-1") if isinstance(name, bytes) else name).strip())


def redact_headers(headers: Headers, secrets: Collection[str] = ()) -> Headers:
    """The same headers in the same order; credentials masked whole, other values as any text."""
    return tuple((name, _header_value(name, value, secrets)) for name, value in headers)


def log_redactor(
    secrets: Callable[[], Collection[str]] = tuple,
) -> Callable[[Any, str, dict[str, Any]], dict[str, Any]]:
    """A structlog processor. Put it last before the renderer, after exceptions have become text.

    `secrets` is asked at every line, so that a secret set later is masked too.
    """

    def process(_logger: Any, _method: str, event: dict[str, Any]) -> dict[str, Any]:
        clean: dict[str, Any] = redact_value(event, tuple(secrets()))
        return clean

    return process


def _header_value(name: bytes, value: bytes, secrets: Collection[str]) -> bytes:
    if is_credential_header(name):
        return MASK.encode()
    # surrogateescape: bytes that are not UTF-8 come back as they were.
    return redact(value.decode("utf-8", "surrogateescape"), secrets).encode("utf-8", "surrogateescape")


def _key(key: Any, secrets: Collection[str]) -> Any:
    return redact(key, secrets) if isinstance(key, str) else key


def _held(key: Any, held: Any, secrets: Collection[str], depth: int) -> Any:
    told = held is None or isinstance(held, bool)
    if isinstance(key, str) and names_secret(key) and not told:
        return MASK
    return redact_value(held, secrets, depth=depth)


def _literal_spans(text: str, secrets: Collection[str]) -> Iterator[tuple[int, int]]:
    for form in {form for secret in secrets if len(secret) >= SHORTEST_REDACTED for form in _forms(secret)}:
        at = text.find(form)
        while at >= 0:
            yield at, at + len(form)
            at = text.find(form, at + 1)


def _forms(secret: str) -> set[str]:
    raw = secret.encode("utf-8", "surrogatepass")
    return {
        secret,
        json.dumps(secret)[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1],
        repr(secret)[1:-1],
        quote(raw),
        quote(raw, safe=""),
        quote_plus(raw),
        base64.b64encode(raw).decode().rstrip("="),
        base64.urlsafe_b64encode(raw).decode().rstrip("="),
    }


def _pattern_spans(text: str) -> Iterator[tuple[int, int]]:
    for pattern in _PATTERNS:
        for found in pattern.finditer(text):
            start, end = found.span(found.lastgroup or 0)
            if end > start:
                yield start, end
