# SPDX-License-Identifier: Apache-2.0
"""`homeport.yaml`: what the author says outranks everything but the user."""

from __future__ import annotations

from collections.abc import Callable

from homeport.analyze.claims import Claims, Field
from homeport.analyze.command import Command, from_words, parse_command
from homeport.analyze.repo import Repo
from homeport.analyze.ruleset import Ruleset
from homeport.analyze.yamltop import Entry, YamlError, read_top
from homeport.model import quantity as values
from homeport.model.evidence import Origin
from homeport.model.policytext import delivery_policy

NAMES = ("homeport.yaml", "homeport.yml")
_SIMPLE: dict[str, tuple[Field, Callable[[object], object]]] = {
    "name": ("name", values.name),
    "port": ("port", values.port),
    "health": ("health_path", values.health_path),
    "memory": ("memory_bytes", values.memory_bytes),
    "delivery": ("delivery", values.delivery),
    "idempotency": ("honours_keys", values.honours_keys),
    "policy": ("policy", delivery_policy),
    "gpu": ("gpu", values.gpu),
    "gpus": ("gpu_count", values.gpu_count),
    "vram": ("vram_bytes", values.gpu_memory_bytes),
    "gpu-vendor": ("gpu_vendor", values.gpu_vendor),
    "cpus": ("cpus", values.cpus),
    "disk": ("disk_bytes", values.disk_bytes),
    "shm": ("shared_memory_bytes", values.memory_bytes),
    "arch": ("arch", values.arch),
    "kind": ("kind", values.kind),
}
_VERSIONS: dict[str, Field] = {"cuda": "cuda", "rocm": "rocm", "compute-capability": "compute_capability"}
_KEYS = (*_SIMPLE, *_VERSIONS, "packages", "start", "runtime", "version", "python", "node", "env", "install")


def _read(repo: Repo, claims: Claims) -> None:
    file = next((name for name in NAMES if name in repo), "")
    if not file:
        return
    if not repo.is_whole(file):
        claims.warn(f"{file} is too large to be read")
        return
    try:
        entries = read_top(repo.text(file))
    except YamlError as error:
        claims.warn(f"{file}:{error.line}: {error}; nothing was taken from it")
        return
    for entry in entries:
        try:
            _take(entry, file, repo, claims)
        except ValueError as error:
            claims.warn(f"{file}:{entry.line}: {entry.key}: {error}; it was not taken")


def _take(entry: Entry, file: str, repo: Repo, claims: Claims) -> None:
    text = repo.line(file, entry.line)

    def claim(field: Field, value: object) -> None:
        rule = f"manifest.{entry.key}"
        claims.add(field, value, Origin.MANIFEST, file=file, line=entry.line, rule=rule, confidence=1.0, text=text)

    if entry.key in _SIMPLE:
        field, convert = _SIMPLE[entry.key]
        claim(field, convert(entry.value))
    elif entry.key in _VERSIONS:
        claim(_VERSIONS[entry.key], values.version_number(entry.raw))
    elif entry.key == "packages":
        many = entry.value if isinstance(entry.value, list) else [entry.value]
        claim("system_packages", values.packages(" ".join(str(one) for one in many)))
    elif entry.key == "start":
        command = _command(entry.value)
        if command.refused:
            raise ValueError(f"the start command is no plain command line: {command.refused}")
        claims.start(
            command.argv, Origin.MANIFEST, file=file, line=entry.line, rule="manifest.start", confidence=1.0, text=text
        )
    elif entry.key == "runtime":
        ecosystem, version = values.runtime(entry.value)
        claim("ecosystem", ecosystem)
        if version:
            claim("runtime_version", version)
    elif entry.key in ("version", "python", "node"):
        claim("runtime_version", values.version(entry.raw))
    elif entry.key == "install":
        files = values.files(entry.value)
        if missing := [one for one in files if one not in repo]:
            raise ValueError(f"there is no file {missing[0]}")
        claims.installs.append((Origin.MANIFEST, files))
    elif entry.key == "env":
        if isinstance(entry.value, dict):
            claims.warn(f"{file}:{entry.line}: env: only the names are taken; give values with -e NAME=VALUE")
        for name in values.names(entry.value):
            claims.asks_for(name)
    else:
        claims.warn(f"{file}:{entry.line}: unknown key {entry.key!r}; known are {', '.join(_KEYS)}")


def _command(value: object) -> Command:
    if isinstance(value, str):
        return parse_command(value)
    if isinstance(value, list) and value and all(isinstance(word, (str, int)) for word in value):
        return from_words([str(word) for word in value])
    return Command(refused="expected text or a list of words")


RULES = Ruleset(
    wants=lambda paths: [name for name in NAMES if name in paths],
    read=_read,
    rank=0,
    looks_for=("homeport.yaml in the root, with `start:`",),
)
