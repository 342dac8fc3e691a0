# SPDX-License-Identifier: Apache-2.0
"""Where a workload comes from: an identity, never a checkout."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class SourceKind(StrEnum):
    """An agents file is none: it names a source of one of these kinds, and what it says goes along as statements."""

    GIT = "git"
    FOLDER = "folder"
    IMAGE = "image"
    """A container image: `locator` is the reference asked for, `digest` the id of the image it meant."""
    DOCKERFILE = "dockerfile"
    """One Dockerfile in its build context: `locator` is that folder, `ref` the file's path in it, `subdir` ""."""
    TEMPLATE = "template"
    """One that ships with Homeport; `locator` is its name, `ref` its parameters, `digest` that of its files."""


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
class Statement:
    """What an agents file or a template says of a source, outside its files: the value is checked and typed.

    `field` is one of `Requirements`, or "env" with a (name, value), "secret" with a name, "warning" with a sentence.
    `text` is the line as it was written, hostile.
    """

    field: str
    value: object
    file: str
    line: int
    key: str
    text: str = ""


@dataclass(frozen=True, slots=True)
class SourceEntry:
    """One file of a view. `executable` from the mode; links and submodules are not entries.

    `size` in bytes; -1 for a file too large to be fetched for a look: `read` gives nothing of it, `export` all.
    """

    path: str
    size: int
    executable: bool = False
