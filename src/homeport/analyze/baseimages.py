# SPDX-License-Identifier: Apache-2.0
"""What the name of a base image says: its system, its CUDA or ROCm, whether it is of use without a GPU."""

from __future__ import annotations

import re
from dataclasses import dataclass

from homeport.analyze.pattern import late

_SYSTEMS = {
    "ubuntu": "ubuntu", "debian": "debian", "alpine": "alpine", "rockylinux": "rocky", "rocky": "rocky",
    "centos": "centos", "fedora": "fedora", "almalinux": "almalinux", "amazonlinux": "amazonlinux", "archlinux": "arch",
    "opensuse": "opensuse", "ubi": "rhel", "leap": "opensuse", "oraclelinux": "oraclelinux",
}  # fmt: skip
_IN_TAG = (
    (r"alpine", "alpine"), (r"ubuntu|jammy|noble|focal|bionic|xenial", "ubuntu"),
    (r"bookworm|bullseye|buster|trixie|debian|slim|stretch", "debian"), (r"rocky", "rocky"), (r"ubi\d", "rhel"),
    (r"centos", "centos"), (r"fedora|fc\d", "fedora"),
)  # fmt: skip
_ON_DEBIAN = frozenset(
    "python node golang rust ruby php openjdk perl postgres mysql redis gcc buildpack-deps nginx pypy r-base "
    "rocker/r-ver "
    "mambaorg/micromamba continuumio/miniconda3 julia haskell erlang elixir maven gradle httpd mariadb mongo".split()
)
_ON_UBUNTU = late(r"nvcr\.io/nvidia/|pytorch/pytorch|tensorflow/tensorflow|rocm/|eclipse-temurin|intel/oneapi|/cuda$")
_RELEASES = {
    "noble": "24.04", "jammy": "22.04", "focal": "20.04", "bionic": "18.04", "xenial": "16.04",
    "trixie": "13", "bookworm": "12", "bullseye": "11", "buster": "10", "stretch": "9",
}  # fmt: skip
_GPU = late(
    r"(?:^|/)(?:nvidia/cuda|cuda:)|nvcr\.io/|rocm/|pytorch/pytorch:\S*cuda|tensorflow/tensorflow:\S*gpu|vllm/vllm"
)


@dataclass(frozen=True, slots=True)
class BaseImage:
    """ "" for what the name does not say. `gpu`: made for machines that have one."""

    system: str = ""
    cuda: str = ""
    rocm: str = ""
    gpu: bool = False
    release: str = ""
    """Of the system: "22.04", "12"."""


def read_base(image: str) -> BaseImage:
    """`nvidia/cuda:12.4.1-base-ubuntu22.04` is Ubuntu with CUDA 12.4, for GPUs."""
    image = image.lower()[:300].partition("@")[0]
    name, tag = name_and_tag(image)
    name = name.removeprefix("docker.io/").removeprefix("library/")
    last = name.rpartition("/")[2]
    gpu = bool(_GPU.search(image))
    cuda = re.search(r"cuda[-:]?(\d{1,2}\.\d{1,2})", image) or (
        re.match(r"(\d{1,2}\.\d{1,2})", tag) if last == "cuda" else None
    )
    rocm = re.search(r"rocm[-:/a-z]{0,20}(\d\.\d{1,2}(?:\.\d)?)", image)
    system = _system(name, last, tag)
    return BaseImage(system, cuda[1] if cuda else "", rocm[1] if rocm else "", gpu, _release(system, last, tag))


def name_and_tag(image: str) -> tuple[str, str]:
    """In lower case and without a digest; the colon of a registry's port is none of a tag. The tag is "" for none."""
    image = image.lower()[:300].partition("@")[0]
    name, _, tag = image.rpartition(":") if ":" in image.rpartition("/")[2] else (image, "", "")
    return name, tag


def _release(system: str, last: str, tag: str) -> str:
    """By a code name, by `ubuntu22.04` in a tag, or by the tag of an image that is the system itself."""
    if code := next((number for word, number in _RELEASES.items() if word in tag), ""):
        return code
    if found := re.search(rf"{re.escape(system)}[-:]?(\d{{1,2}}(?:\.\d{{1,2}})?)", tag) if system else None:
        return found[1]
    itself = _SYSTEMS.get(last) == system and system
    found = re.match(r"(\d{1,2}(?:\.\d{1,2})?)(?![\d.]*[a-z])", tag) if itself else None
    return found[1] if found else ""


def _system(name: str, last: str, tag: str) -> str:
    if plain := _SYSTEMS.get(last) or _SYSTEMS.get(last.rstrip("0123456789")):
        return plain
    for pattern, system in _IN_TAG:
        if re.search(pattern, tag):
            return system
    if _ON_UBUNTU.search(name):
        return "ubuntu"
    return "debian" if name in _ON_DEBIAN or last in _ON_DEBIAN else ""
