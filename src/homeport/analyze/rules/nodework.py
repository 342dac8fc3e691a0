# SPDX-License-Identifier: Apache-2.0
"""What package.json says beside how it starts: the sort of work, ports that its tools listen on, packages for GPUs."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping

from homeport.analyze.claims import Claims
from homeport.analyze.pattern import late
from homeport.analyze.repo import Repo
from homeport.analyze.ruleset import Ruleset
from homeport.analyze.tomlfile import table, text_of
from homeport.analyze.voice import Voice, share_of
from homeport.model.requirements import Ecosystem, GpuNeed, Kind

_PACKAGE = "package.json"
_CODE = (".js", ".mjs", ".cjs", ".jsx", ".ts", ".tsx", ".mts", ".vue", ".svelte")
_STARTS = ("start", "start:prod", "serve", "preview")
_TOOLS = (
    (late(r"\bnext start\b"), 3000), (late(r"\bnuxt(?:i)? (?:start|preview)\b"), 3000),
    (late(r"\breact-scripts start\b"), 3000), (late(r"\bremix-serve\b"), 3000),
    (late(r"\bvite preview\b"), 4173), (late(r"\bng serve\b"), 4200),
    (late(r"\bastro preview\b"), 4321), (late(r"\bgatsby serve\b"), 9000),
    (late(r"\bstrapi start\b"), 1337), (late(r"\bjson-server\b"), 3000),
    (late(r"\bhttp-server\b"), 8080), (late(r"(?:^|&&\s{0,3}|npx )serve(?:\s|$)"), 3000),
    (late(r"\bdocusaurus (?:start|serve)\b"), 3000), (late(r"\bn8n start\b"), 5678),
)  # fmt: skip
"""Tools that listen, and where they do when nothing else is said."""
_PORT = late(r"(?:^|\s)(?:-p|--port)[= ](\d{2,5})\b|\bPORT=(\d{2,5})\b")
_SERVERS = frozenset(
    "express fastify koa hapi @hapi/hapi restify @nestjs/core next nuxt @remix-run/node @sveltejs/adapter-node hono "
    "@hono/node-server socket.io ws apollo-server @apollo/server polka feathers @feathersjs/feathers strapi "
    "@strapi/strapi moleculer @modelcontextprotocol/sdk".split()
)
_NEED_GPU = {"@tensorflow/tfjs-node-gpu": 0.65}
_MAY_USE_GPU = ("node-llama-cpp", "gpu.js", "@node-rs/cuda")


def _read(repo: Repo, claims: Claims) -> None:
    package = _package(repo)
    if not package:
        return
    voice = Voice(repo, claims, Ecosystem.NODE)
    needs = table(package, "dependencies")
    scripts = table(package, "scripts")
    share = share_of(repo, _CODE)
    listens = _read_ports(voice, scripts) if share >= 0.5 else False  # else its tools only build what others serve
    for name, sure in _NEED_GPU.items():
        if name in needs:
            voice.gpu(GpuNeed.NEEDED, "gpu-package", sure, _PACKAGE, repo.find(_PACKAGE, f'"{name}"'), "nvidia")
    if name := next((one for one in _MAY_USE_GPU if one in needs), ""):
        voice.gpu(GpuNeed.OPTIONAL, "gpu-package", 0.5, _PACKAGE, repo.find(_PACKAGE, f'"{name}"'))
    pinned = text_of(table(package, "volta").get("node"))
    if re.fullmatch(r"\d{1,3}(?:\.\d{1,4}){0,2}", pinned):
        voice.version(pinned, "volta", 0.88, _PACKAGE, repo.find(_PACKAGE, '"volta"'), minimum=False)
    if share >= 0.5:
        _read_kind(voice, package, needs, scripts, listens)


def _read_ports(voice: Voice, scripts: Mapping[str, object]) -> bool:
    """The first script that starts it counts."""
    for name in _STARTS:
        text = text_of(scripts.get(name))[:2000]
        if not text:
            continue
        line = voice.repo.find(_PACKAGE, f'"{name}"')
        if said := _PORT.search(text):
            return voice.port(said[1] or said[2], "script-port", 0.8, _PACKAGE, line)
        for pattern, port in _TOOLS:
            if pattern.search(text):
                return voice.port(port, "tool-port", 0.58, _PACKAGE, line)
        return False
    return False


def _read_kind(
    voice: Voice,
    package: Mapping[str, object],
    needs: Mapping[str, object],
    scripts: Mapping[str, object],
    listens: bool,
) -> None:
    line = voice.repo.find(_PACKAGE, '"name"')
    started = any(name in scripts for name in _STARTS)
    serving = next((one for one in needs if one in _SERVERS), "")
    if started and (serving or listens):
        at = voice.repo.find(_PACKAGE, f'"{serving}"') if serving else line
        voice.kind(Kind.SERVICE, "server-package", 0.545, _PACKAGE, at)
    elif package.get("bin") and not voice.published:
        voice.kind(Kind.CLI, "bin", 0.56, _PACKAGE, voice.repo.find(_PACKAGE, '"bin"'))
    elif not started and any(_published(package)):
        voice.kind(Kind.LIBRARY, "exports", 0.56, _PACKAGE, line)


def _published(package: Mapping[str, object]) -> Iterator[bool]:
    """Signs that others install it."""
    for key in ("exports", "module", "types", "typings", "files", "publishConfig"):
        yield bool(package.get(key))


def _package(repo: Repo) -> dict[str, object]:
    """{} where there is none or it cannot be read; that it cannot is said by the rules of Node."""
    try:
        data = json.loads(repo.text(_PACKAGE) or "{}")
    except (ValueError, RecursionError):
        return {}
    return data if isinstance(data, dict) else {}


RULES = Ruleset(wants=lambda paths: [_PACKAGE] if _PACKAGE in paths else [], read=_read, rank=51)
