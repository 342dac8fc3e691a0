# SPDX-License-Identifier: Apache-2.0
"""Where a workload comes from: an identity, never a checkout."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class SourceKind(StrEnum):
    GIT = "git"
    FOLDER = "folder"
    IMAGE = "image"
    """A container image: `locator` is the reference asked for, `digest` the id of the image it meant."""
    DOCKERFILE = "dockerfile"
    """One Dockerfile with the folder around it as build context; `subdir` is "", `ref` the file's name in it."""
    TEMPLATE = "template"
    """One that ships with Homeport; `locator` is its name, `digest` that of its files."""
    YAML = "yaml"
    """One agent of an agents file; `locator` is the file's path, `ref` the agent's name in it."""


@dataclass(frozen=True, slots=True)
class Source:
    """What was asked for and what exactly was read.

    `digest` is the SHA-256 over the sorted (path, mode, blob id) list of the bounded view: it moves exactly when
    something the analysis could see has moved. `commit` is the Git commit, or "" for a plain folder. With a `subdir`
    the view and what is exported begin there: every path is relative to it.
    """

    kind: SourceKind
    locator: str
    digest: str
    commit: str = ""
    ref: str = ""
    subdir: str = ""


@dataclass(frozen=True, slots=True)
class SourceEntry:
    """One file of a view. `executable` from the mode; links and submodules are not entries.

    `size` in bytes; -1 for a file too large to be fetched for a look: `read` gives nothing of it, `export` all.
    """

    path: str
    size: int
    executable: bool = False
