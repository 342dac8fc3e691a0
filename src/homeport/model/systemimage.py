# SPDX-License-Identifier: Apache-2.0
"""The operating system a machine is started with."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SystemImage:
    """An image as a cloud lists it. `family` is a distribution's name in lower case; `version` its release, "24.04".

    `cuda`, `rocm`: versions of what is installed in it, "" for none. `user` is who one logs in as. `made_on` is a date,
    "" when not known. `id` is the cloud's own; "" until it was looked up there.
    """

    cloud: str
    name: str
    family: str
    version: str
    arch: str = "x86_64"
    cuda: str = ""
    rocm: str = ""
    user: str = "root"
    made_on: str = ""
    id: str = ""
    region: str = ""


@dataclass(frozen=True, slots=True)
class ImageCandidate:
    """One of the first stage; `lost` is "" for the one chosen."""

    image: SystemImage
    lost: str = ""


@dataclass(frozen=True, slots=True)
class ImageChoice:
    """Two stages: 3 to 5 candidates by family, architecture and GPU stack, then one by its details, and why."""

    image: SystemImage
    why: str
    candidates: tuple[ImageCandidate, ...] = ()
