# SPDX-License-Identifier: Apache-2.0
"""What git's complaints mean for the user. Its text is partly the server's, so it is only shown cleaned and cut."""

from __future__ import annotations

import re

from homeport.drivers.fetchers.git.process import TooMuch
from homeport.errors import HomeportError, InvalidSource, StorageFull, Unavailable
from homeport.model.paths import printable

_PRIVATE = re.compile(
    r"could not read Username|Authentication failed|terminal prompts disabled|returned error: (401|403|404)"
    r"|repository '.*' not found|HTTP Basic: Access denied"
)
_MOVED = re.compile(r"returned error: 30\d|unable to update url base from redirection")
_NO_REF = re.compile(r"Remote branch .* not found|couldn't find remote ref|not our ref|no such remote ref", re.I)
_AWAY = re.compile(
    r"Could not resolve|Failed to connect|Couldn't connect|Connection (refused|reset)|timed out"
    r"|returned error: (429|5\d\d)|Operation too slow"
    r"|Empty reply|early EOF|hung up|SSL|TLS|transfer closed|Recv failure|server certificate"
)
_INFLATES = re.compile(r"[Oo]ut of memory|malloc failed|realloc failed|mmap failed: Cannot allocate")


def moved(errors: str) -> bool:
    return bool(_MOVED.search(errors))


def explain(errors: str, address: str, ref: str) -> HomeportError:
    """The error to raise for a git command that failed on `address`."""
    if "No space left on device" in errors:
        return StorageFull("the disk is full", operation="fetch", subject=address, hint="free some space")
    if _NO_REF.search(errors):
        return no_ref(address, ref)
    if moved(errors):
        hint = "open the address in a browser and use the one it leads to"
        return _invalid(f"{address} answers with a redirect, which is not followed", address, hint)
    if _PRIVATE.search(errors):
        hint = "check the spelling; for a private repository clone it yourself and give the folder"
        return _invalid(f"{address} does not exist or is private", address, hint)
    if _INFLATES.search(errors):
        hint = "give a smaller repository; if this one is trusted, clone it yourself and give the folder"
        return _invalid(f"{address} sends what takes too much memory to read", address, hint)
    last = printable(_last_line(errors), 200)
    if _AWAY.search(errors):
        return Unavailable(f"cannot read {address}: {last}", operation="fetch", subject=address, hint="try again later")
    return _invalid(f"cannot read {address} as a Git repository: {last}", address, "check the address")


def no_ref(address: str, ref: str) -> InvalidSource:
    what = f"no branch, tag or commit {ref!r}" if ref else "no commit yet: it is empty"
    return _invalid(f"{address} has {what}", address, "see its branches and tags, and say one with --ref")


def too_much(cap: TooMuch, address: str, *, seconds: float, max_bytes: int) -> InvalidSource:
    what = {
        "time": f"takes more than {seconds:g} s to read",
        "disk": f"is larger than {max_bytes / 1_000_000:g} MB",
        "output": "has too many files or branches",
    }[str(cap)]
    return _invalid(f"{address} {what}", address, "give a smaller repository, or a folder with the agent alone")


def _last_line(errors: str) -> str:
    lines = [line.strip() for line in errors.splitlines() if line.strip()]
    fatal = [line for line in lines if line.startswith(("fatal:", "error:"))]
    return (fatal or lines or ["git said nothing"])[-1].removeprefix("fatal: ").removeprefix("error: ")


def _invalid(message: str, address: str, hint: str) -> InvalidSource:
    return InvalidSource(message, operation="fetch", subject=address, hint=hint)
