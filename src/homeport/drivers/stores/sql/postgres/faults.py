# SPDX-License-Identifier: Apache-2.0
"""What PostgreSQL's errors mean to a caller. Their texts are about the server, never about a value or a password."""

from __future__ import annotations

from homeport.errors import HomeportError, StorageFull, Unavailable
from homeport.model.database import shown, unreadable, without_passwords

FULL = "53100"
_AWAY = ("08", "53", "57P", "58", "XX")
"""Classes of SQLSTATE after which the connection is of no use: lost, no resources, shut down, disk or server ill."""
_BUSY = {"55P03", "57014", "40P01", "40001"}
_READ_ONLY = "25006"
_TIMED_OUT = "25P03"
_UNKNOWN = {"42P01", "3F000", "42703"}
_NOT_ALLOWED = "42501"


def is_lost(error: BaseException) -> bool:
    """Whether to let go of the connection: it broke, or leads to a server that cannot take writes now."""
    import psycopg

    cause = _cause(error)
    if getattr(error, "connection_invalidated", False) or isinstance(cause, ConnectionError):
        return True
    if not isinstance(cause, psycopg.Error):
        return isinstance(cause, Unavailable)
    state = cause.sqlstate or ""
    if not state:
        return isinstance(cause, psycopg.OperationalError | psycopg.InterfaceError)
    return state != FULL and (state.startswith(_AWAY) or state in (_READ_ONLY, _TIMED_OUT))


def explain(error: BaseException, url: str) -> HomeportError:
    """The error of ours for one of psycopg's or SQLAlchemy's."""
    import psycopg

    cause = _cause(error)
    if isinstance(cause, HomeportError):
        # Anew: one cause may be told to several callers.
        return type(cause)(cause.message, operation=cause.operation, subject=cause.subject, hint=cause.hint)
    state = getattr(cause, "sqlstate", None) or ""
    if isinstance(cause, psycopg.ProgrammingError) and not state:
        return unreadable()  # libpq's words would show what it took for the user, the host …
    diagnosis = getattr(getattr(cause, "diag", None), "message_primary", None)
    said = without_passwords(diagnosis or str(cause).strip().split("\n", 1)[0] or type(cause).__name__, url)
    named = {"operation": "store", "subject": shown(url)}
    if state == FULL:
        return StorageFull(
            "no room to write state: the disk of the database server is full",
            **named,
            hint="free space there, then try again: nothing was half-written",
        )
    if state in _BUSY:
        return Unavailable("another process has held the state database for too long", **named)
    if is_lost(error):
        return Unavailable(
            f"the state database does not answer: {said}",
            **named,
            hint="it is asked again by itself; see whether the database server runs and can be reached",
        )
    if state in _UNKNOWN:
        return HomeportError(
            f"the state database is not as Homeport left it: {said}", **named, hint="restore it from a backup"
        )
    if state == _NOT_ALLOWED:
        return HomeportError(
            f"the state database refuses: {said}",
            **named,
            hint="the user must own the database: ALTER DATABASE … OWNER TO …",
        )
    return HomeportError(f"the state database failed: {said}", **named)


def _cause(error: BaseException) -> BaseException:
    return getattr(error, "orig", None) or error
