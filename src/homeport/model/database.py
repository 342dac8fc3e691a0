# SPDX-License-Identifier: Apache-2.0
"""The address of a PostgreSQL database, as libpq reads it: what may be shown of it, and what never is. Pure."""

from __future__ import annotations

from urllib.parse import parse_qsl, unquote, urlsplit

from homeport.errors import UsageError
from homeport.model.redaction import MASK

SCHEMES = ("postgresql", "postgres")
_SECRET = ("password", "sslpassword")
"""Query parameters of libpq that hold one."""


def is_database_url(text: str) -> bool:
    return text.split("://", 1)[0] in SCHEMES and "://" in text


def check_database_url(url: str) -> None:
    """Raises `UsageError` for what libpq would take apart otherwise than meant; never echoes it."""
    try:
        parts = urlsplit(url)
        parse_qsl(parts.query, strict_parsing=bool(parts.query))
    except ValueError:
        parts = None
    if parts is None or parts.scheme not in SCHEMES or "\0" in url or parts.netloc.count("@") > 1 or parts.fragment:
        raise unreadable()


def unreadable() -> UsageError:
    return UsageError(
        "the database URL cannot be read",
        operation="connect",
        hint="postgresql://USER@HOST:PORT/DATABASE; @ / : ? # in a user or password are written as %40 and so on",
    )


def passwords(url: str) -> tuple[str, ...]:
    """Every password in it, as written and as meant."""
    parts = urlsplit(url)
    written = [parts.netloc.rpartition("@")[0].partition(":")[2]]
    written += [value for name, _, value in (item.partition("=") for item in parts.query.split("&")) if name in _SECRET]
    return tuple(dict.fromkeys(text for raw in written if raw for text in (raw, unquote(raw))))


def shown(url: str) -> str:
    """Host and database, for people: no user, no password, no parameters but a socket's folder."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2] or dict(parse_qsl(parts.query)).get("host", "localhost")
    return f"postgresql://{host}/{parts.path.lstrip('/') or '?'}"


def without_passwords(text: str, url: str) -> str:
    """What a driver says about a connection, with every password of the URL masked."""
    for secret in sorted(passwords(url), key=len, reverse=True):
        text = text.replace(secret, MASK)
    return text
