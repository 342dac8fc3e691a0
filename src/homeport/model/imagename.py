# SPDX-License-Identifier: Apache-2.0
"""Names of container images: `name[:tag][@digest]`, or an id. The grammar of the distribution project, strictly."""

from __future__ import annotations

import re
from dataclasses import dataclass

_PART = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
_PORT = r"[0-9]{1,5}"
_NAMED = rf"{_LABEL}(?:\.{_LABEL})+(?::{_PORT})?|{_LABEL}:{_PORT}"
_HOST = rf"(?:localhost|{_NAMED}|\[[0-9a-fA-F:]{{2,45}}\](?::{_PORT})?)"
_REFERENCE = re.compile(
    rf"(?:(?P<host>{_HOST})/)?(?P<path>{_PART}(?:/{_PART})*)(?::(?P<tag>[A-Za-z0-9_][A-Za-z0-9_.-]{{0,127}}))?"
    r"(?:@(?P<digest>sha256:[0-9a-f]{64}))?",
    re.A,
)
_ID = re.compile(r"sha256:[0-9a-f]{64}")
_LONGEST = 255


@dataclass(frozen=True, slots=True)
class ImageName:
    """`host` is "" for the engine's default registry, `path` "" for a bare id, which is in `digest` then."""

    host: str
    path: str
    tag: str
    digest: str


def parse_image(text: str) -> ImageName:
    """The parts. Raises `ValueError` saying what is wrong with it."""
    if _ID.fullmatch(text):
        return ImageName("", "", "", text)
    if text.startswith("-"):
        raise ValueError("it begins with a dash, so it could be taken for an option")
    if not text.isascii() or not text.isprintable() or len(text) > 400:
        raise ValueError("it is too long, or holds what no name of an image can hold")
    found = _REFERENCE.fullmatch(text)
    if not found and _REFERENCE.fullmatch(text.lower()):
        raise ValueError("names of images are lower-case")
    if not found:
        raise ValueError("it is not of the form NAME, NAME:TAG or NAME@sha256:DIGEST")
    if len(found["path"]) > _LONGEST:
        raise ValueError(f"it is too long: a name has at most {_LONGEST} characters")
    return ImageName(found["host"] or "", found["path"], found["tag"] or "", found["digest"] or "")
