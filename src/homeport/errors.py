# SPDX-License-Identifier: Apache-2.0
"""The one exception tree.

Every error says which operation failed, on what subject, what to do next, and whether trying again can help.
Only classes that some caller catches are here; everything else is the nearest parent.

    HomeportError                exit 1
    ├── UsageError               exit 2   the caller asked for something that makes no sense
    │   ├── NotFound                      no such record, agent, request, source
    │   ├── InvalidSource                 the source cannot be read, or is refused
    │   └── NoStartCommand                nothing says how the workload starts
    ├── Denied                   exit 3   policy, role or token says no
    ├── NoCapacity               exit 4   no offer, quota reached, disk full
    │   └── StorageFull                   a write hit the end of the disk; nothing was half-written
    ├── Unreadable               exit 1   what is kept encrypted was changed, or its key is not here
    ├── Unhealthy                exit 5   it runs, but does not answer as it should
    ├── Conflict                 exit 1   a revision moved, a name is taken, another owner holds the lease
    ├── Unavailable              exit 1   a server, engine or endpoint does not answer; retry can help
    ├── StalePlan                exit 6   what the plan was made from has moved
    └── Interrupted              exit 130
"""

from __future__ import annotations

import errno

NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""The numbers of an OSError by which a write found no room."""


class HomeportError(Exception):
    """Cause, then evidence, then the next command. `retry` is true when the same call may work later."""

    exit_code = 1
    retry = False

    def __init__(self, message: str, *, operation: str = "", subject: str = "", hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.operation = operation
        self.subject = subject
        self.hint = hint

    @property
    def type(self) -> str:
        """The class name: stable, used as `error.type` in JSON output and API answers."""
        return type(self).__name__

    def to_dict(self) -> dict[str, object]:
        """As the API and `--json` show it. Holds no secret: messages are written by us, never echoed input."""
        return {
            "type": self.type,
            "message": self.message,
            "operation": self.operation,
            "subject": self.subject,
            "hint": self.hint,
            "retry": self.retry,
        }


class UsageError(HomeportError):
    exit_code = 2


class NotFound(UsageError):
    pass


class InvalidSource(UsageError):
    pass


class NoStartCommand(UsageError):
    pass


class Denied(HomeportError):
    exit_code = 3


class NoCapacity(HomeportError):
    exit_code = 4


class StorageFull(NoCapacity):
    retry = True


class Unreadable(HomeportError):
    pass


def failed_write(error: OSError) -> type[HomeportError]:
    """What to raise for it: `StorageFull` where there was no room, else `HomeportError`."""
    return StorageFull if error.errno in NO_ROOM else HomeportError


class Unhealthy(HomeportError):
    exit_code = 5


class Conflict(HomeportError):
    pass


class Unavailable(HomeportError):
    retry = True


class StalePlan(HomeportError):
    exit_code = 6


class Interrupted(HomeportError):
    exit_code = 130


def error_from_dict(data: dict[str, object]) -> HomeportError:
    """The reverse of `HomeportError.to_dict`, for the client. Unknown types become `HomeportError`."""
    known = {cls.__name__: cls for cls in _tree(HomeportError)}
    cls = known.get(str(data.get("type", "")), HomeportError)
    return cls(
        str(data.get("message", "unknown error")),
        operation=str(data.get("operation", "")),
        subject=str(data.get("subject", "")),
        hint=str(data.get("hint", "")),
    )


def _tree(cls: type[HomeportError]) -> list[type[HomeportError]]:
    return [cls, *(found for child in cls.__subclasses__() for found in _tree(child))]
