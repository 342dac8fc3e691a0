# SPDX-License-Identifier: Apache-2.0
"""What an archive holds, and what it may hold. Pure.

A gzipped tar of `state/…` and `config/…`, laid out as a HOMEPORT_HOME: at need, any tar unpacks it. The first member
says what it is, the last one is the manifest; an archive without it is not whole.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from enum import StrEnum
from urllib.parse import quote, unquote_to_bytes

from homeport.errors import HomeportError, UsageError

FORMAT = 1
"""Grows when an older Homeport could not restore what a newer one writes."""
HEADER, MANIFEST, FAILURE, SEALED = "homeport-backup.json", "manifest.json", "error.json", "keys.sealed"
STATE_FILES = ("state.db", "durable.db", "journal.db", "audit.jsonl", "audit.jsonl.head", "local-machines.json")
STATE_FOLDERS = ("spool", "agents")
KEYS = ("secrets.key", "admin-token")
CONFIG_FILES = (*KEYS, "config.toml")
CONFIG_FOLDERS = ("policies",)
DATA = "data"
MOST_MEMBERS = 1_000_000
MOST_LISTED = 200 << 20
"""Bytes of the list of members, which is held in memory."""
MEMBER_LISTED = 160
"""Of that, what a member has besides its path."""
LONGEST_PATH = 2048
"""Bytes of a path in the archive: it must fit below another folder, too."""

_FILES = frozenset(
    {HEADER, MANIFEST, FAILURE, SEALED, *(f"state/{n}" for n in STATE_FILES), *(f"config/{n}" for n in CONFIG_FILES)}
)
_FOLDERS = frozenset({"state", "config", *(f"state/{n}" for n in STATE_FOLDERS), "config/policies"})
AGENT_ID = re.compile(r"agt_[0-9A-Za-z]{1,64}")
_PART = re.compile(r"code-[0-9A-Za-z_.-]{1,80}|image-[0-9A-Za-z_.-]{1,80}|data")
_SAFE = "/ !#$&'()*+,:;=@[]-._~"


class Kind(StrEnum):
    FILE = "file"
    FOLDER = "folder"
    LINK = "link"


class Keys(StrEnum):
    """How the installation's key and the first admin token travel. Without them what is sealed stays so."""

    NONE = "none"
    CLEAR = "clear"
    SEALED = "sealed"


@dataclass(frozen=True, slots=True)
class Header:
    format: int
    version: str
    made_at_us: int
    node: str


@dataclass(frozen=True, slots=True)
class Member:
    """`path` as `written`; `sha256` of a file's content or a link's target, "" for a folder."""

    path: str
    kind: Kind
    bytes: int = 0
    sha256: str = ""


@dataclass(frozen=True, slots=True)
class Manifest:
    """`state` is where the home's state was; `agents` the ids whose folders were there at the cut, `volumes` those
    whose data is in it; `left_out` says in words what is not, and why."""

    format: int
    version: str
    node: str
    state: str
    made_at_us: int
    cut_at_us: int
    keys: Keys
    records: dict[str, int]
    requests: dict[str, int]
    audit_entries: int
    agents: tuple[str, ...]
    volumes: tuple[str, ...]
    images: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    members: tuple[Member, ...] = field(default=())


def written(path: str) -> str:
    """Any file name as text that JSON can hold; ordinary ones as they are."""
    return quote(os.fsencode(path), safe=_SAFE)


def unwritten(text: str) -> str:
    return os.fsdecode(unquote_to_bytes(text))


def check_header(header: Header) -> None:
    if header.format > FORMAT:
        raise UsageError(
            f"the backup was made by a newer Homeport ({header.version})",
            operation="restore", hint="use that version, or a newer one",
        )  # fmt: skip


class Admission:
    """Lets in what a backup may hold, in the order of the archive. Raises `HomeportError` for anything else."""

    def __init__(self) -> None:
        self._seen: set[str] = set()
        self._listed = 0
        self._folders: set[str] = {""}

    def admit(self, path: str, kind: Kind) -> None:
        parts = path.split("/")
        if any(part in ("", ".", "..") for part in parts) or "\0" in path or len(os.fsencode(path)) > LONGEST_PATH:
            raise refused(path, "its path leads elsewhere")
        if path in self._seen:
            raise refused(path, "it is there twice")
        self._listed += MEMBER_LISTED + len(path)
        if len(self._seen) > MOST_MEMBERS or self._listed > MOST_LISTED:
            raise refused(path, "there are more files than a backup has")
        if "/".join(parts[:-1]) not in self._folders:
            raise refused(path, "its folder is not in the archive")
        if not _known(path, parts, kind):
            raise refused(path, f"no backup has such a {kind}")
        self._seen.add(path)
        if kind is Kind.FOLDER:
            self._folders.add(path)


def agent_of(path: str) -> str:
    """The id of the agent whose folder it is in; "" for what belongs to none."""
    parts = path.split("/")
    return parts[2] if parts[:2] == ["state", "agents"] and len(parts) > 2 else ""


def refused(path: str, why: str) -> HomeportError:
    return HomeportError(
        f"the archive is refused because of {written(path)[:200]!r}: {why}",
        operation="read the backup", hint="it is damaged, or was not made by homeport backup",
    )  # fmt: skip


def _known(path: str, parts: list[str], kind: Kind) -> bool:
    """Links only deep in an agent's own folders, where the agent could have made them itself."""
    if kind is Kind.FOLDER and path in _FOLDERS:
        return True
    if kind is Kind.FILE and path in _FILES:
        return True
    match parts:
        case ["state", "spool", _]:
            return kind is Kind.FILE
        case ["state", "agents", agent, *rest] if AGENT_ID.fullmatch(agent):
            return _of_agent(rest, kind)
        case ["config", "policies", *_]:
            return kind is not Kind.LINK
    return False


def _of_agent(rest: list[str], kind: Kind) -> bool:
    if not rest:
        return kind is Kind.FOLDER
    if not _PART.fullmatch(rest[0]):
        return False
    if len(rest) > 1:
        return not rest[0].startswith("image-")
    return kind is (Kind.FILE if rest[0].startswith("image-") else Kind.FOLDER)
