# SPDX-License-Identifier: Apache-2.0
"""All Dockerfiles of a source, for the machine they want: system, GPU, CUDA, packages. How it starts is not here."""

from __future__ import annotations

import re
from collections.abc import Sequence

from homeport.analyze.baseimages import read_base
from homeport.analyze.claims import Claims, Field
from homeport.analyze.command import to_port
from homeport.analyze.dockerlines import Instruction, image_of, instructions, last_stage, stages
from homeport.analyze.paths import Paths, once
from homeport.analyze.pattern import late
from homeport.analyze.repo import Repo, in_the_way
from homeport.analyze.ruleset import Ruleset
from homeport.model.evidence import Origin
from homeport.model.requirements import GpuNeed
from homeport.model.source import SourceKind

_NAME = late(r"(?i)^(?:(?:docker|container)file(?:[._-][\w.-]{1,40})?|[\w.-]{1,40}[._](?:docker|container)file)$")
_VARIANT = late(
    r"(?i)devcontainer|gpu|cuda|nvidia|rocm|trt|tensorrt|amd|arm|intel|tpu|npu|xpu|mlu|musa|\bdev|debug|test|ci\b|build"
    r"|jetson|hpu|hip|docs?|lint|example"
)
_PLAIN = late(r"(?i)(?:^|/)(?:docker|container)file$")
_HIDDEN = late(r"(?:^|/)\.")
_APT = late(r"\b(?:apt-get|apt|apk|yum|dnf|microdnf)\s(?:[^&;|]{0,80}?\s)?(?:install|add)\s([^&;|]{1,2000})")
_PACKAGE = late(r"[a-z0-9][a-z0-9.+-]{1,60}")
_MOST = 25
_REPLACED = 0.48
_ARGUMENT = late(r"(?i)\s{0,20}FROM\s+(?:--\S+\s+)?\$\{?\w+(?::-[^}]{0,200})?\}?(?:\s|$)")
_SSH = 22
_PACKS = late(r"(?i)(?:^|/)(?:debian|rpm|deb|snap|bundle|builder|ci|tests?\w*)/")


def _read(repo: Repo, claims: Claims) -> None:
    files = [file for file in _wants(repo.paths) if repo.text(file)]
    if repo.source.kind is SourceKind.DOCKERFILE and repo.source.ref in repo:
        files = [repo.source.ref]
    plain = [file for file in files if not _HIDDEN.search(file) and not _VARIANT.search(_said(file))]
    own = [file for file in plain if not in_the_way(file)] or plain
    main = next((file for file in own if _PLAIN.search(file)), own[0] if own else "")
    alone = files[0] if len(files) == 1 and not _HIDDEN.search(files[0]) else ""
    without = bool(main) and not _is_for_gpus(repo, main)
    for file in files:
        if file == (main or alone):
            _read_main(repo, claims, file, sure=1.0 if main else 0.9)
        else:
            _read_other(repo, claims, file, has_main=without)
    _read_ports(repo, claims, own)


def _is_for_gpus(repo: Repo, file: str) -> bool:
    """Whether all it can be built from is made for GPUs. What an argument names outside of the file may be another."""
    names = _stages(repo, file)
    outside = [one for one in stages(repo.lines(file)) if image_of(one) and image_of(one).lower() not in names]
    return bool(outside) and all(
        read_base(image_of(one)).gpu and not _ARGUMENT.match(repo.line(file, one.line)) for one in outside
    )


def _read_ports(repo: Repo, claims: Claims, files: Sequence[str]) -> None:
    """Of images that are built from elsewhere than the usual places: a port where they agree on the first."""
    found = [(one, file) for file in files if not in_the_way(file) and not _PACKS.search(file)
             for one in instructions(repo.lines(file)) if one.word == "EXPOSE"]  # fmt: skip
    ports = [(to_port(one.rest.split()[0].partition("/")[0]), one, file) for one, file in found if one.rest.split()]
    agree = len({port for port, _, _ in ports}) == 1
    for port, one, file in ports[:4]:
        if port and port != _SSH:
            claims.add("port", port, Origin.CONTAINER, file=file, line=one.line, rule="containers.expose",
                       confidence=0.54 if agree else 0.45, text=repo.line(file, one.line))  # fmt: skip


def _read_main(repo: Repo, claims: Claims, file: str, *, sure: float) -> None:
    stage = last_stage(repo.lines(file))
    froms = [one for one in instructions(repo.lines(file)) if one.word == "FROM"]
    near = (1.0 if file.count("/") <= 2 else 0.8) * (0.7 if in_the_way(file) else 1.0)

    def claim(field: Field, value: object, at: Instruction, rule: str, confidence: float) -> None:
        claims.add(field, value, Origin.CONTAINER, file=file, line=at.line, rule=f"containers.{rule}",
                   confidence=round(confidence * sure * near, 3), text=repo.line(file, at.line))  # fmt: skip

    for place, at in enumerate([*stage[:1], *reversed(froms)][:12]):
        base = read_base(image_of(at))
        last = place == 0
        replaced = base.gpu and _is_replaced(repo, file, at)
        if base.system:
            claim("os_family", base.system, at, "base-system", 0.85 if last else 0.55)
        if base.release:
            claim("os_version", base.release, at, "base-release", 0.85 if last else 0.45)
        if base.gpu:
            sure = 0.85 if last else 0.6
            claim("gpu", GpuNeed.NEEDED, at, "gpu-base-image", _REPLACED if replaced else sure)
        if base.cuda:
            claim("cuda", base.cuda, at, "base-cuda", 0.85 if last else 0.6)
        if base.rocm:
            claim("rocm", base.rocm, at, "base-rocm", 0.8 if last else 0.6)
    packages = [name for at in stage if at.word == "RUN" for name in _packages(at.rest)]
    if packages:
        at = next(one for one in stage if one.word == "RUN" and _packages(one.rest))
        claim("system_packages", tuple(dict.fromkeys(packages))[:60], at, "packages", 0.7)


def _is_replaced(repo: Repo, file: str, at: Instruction) -> bool:
    """Whether the whole image is an argument, so that whoever builds it may do so from another.

    An argument that chooses among stages of the file, all of them for GPUs, leaves no other.
    """
    if not _ARGUMENT.match(repo.line(file, at.line)):
        return False
    given = next((image_of(one).lower() for one in stages(repo.lines(file)) if one.line == at.line), "")
    return given not in _stages(repo, file) or not _is_for_gpus(repo, file)


def _stages(repo: Repo, file: str) -> set[str]:
    return {words[2].lower() for one in stages(repo.lines(file)) if len(words := one.rest.split()) >= 3}


def _read_other(repo: Repo, claims: Claims, file: str, *, has_main: bool) -> None:
    """A second Dockerfile for GPUs beside a plain one: a GPU is a choice."""
    for at in stages(repo.lines(file)):
        base = read_base(image_of(at))
        line = repo.line(file, at.line)
        if base.gpu:
            need = GpuNeed.OPTIONAL if has_main or _HIDDEN.search(file) else GpuNeed.NEEDED
            claims.add("gpu", need, Origin.CONTAINER, file=file, line=at.line, rule="containers.gpu-variant",
                       confidence=(0.55 if has_main else 0.5) if file.count("/") <= 2 else 0.45, text=line)  # fmt: skip
        if base.cuda:
            near = has_main and file.count("/") <= 1 and not in_the_way(file)
            claims.add("cuda", base.cuda, Origin.CONTAINER, file=file, line=at.line, rule="containers.variant-cuda",
                       confidence=0.52 if near else 0.4, text=line)  # fmt: skip


def _packages(command: str) -> list[str]:
    return [
        word.partition("=")[0]
        for found in _APT.findall(command[:8000])
        for word in found.split()[:80]
        if _PACKAGE.fullmatch(word.partition("=")[0])
    ]


def _said(file: str) -> str:
    """What its name and folders say, without the word itself."""
    return re.sub(r"(?i)dockerfiles?|containerfile|dockers?|containers?", "", file)


@once
def _wants(paths: Paths) -> list[str]:
    found = [
        path
        for path in paths.holding("dockerfile", "containerfile", depth=5)
        if _NAME.fullmatch(path.rpartition("/")[2])
    ]
    return sorted(found, key=lambda path: (in_the_way(path), path.count("/"), len(path), path))[:_MOST]


RULES = Ruleset(wants=_wants, read=_read, rank=21)
