# SPDX-License-Identifier: Apache-2.0
"""Elixir: mix.exs, Phoenix and other applications that stay up. Its files are programs: read by lines, never run."""

from __future__ import annotations

from homeport.analyze.claims import Claims
from homeport.analyze.paths import Paths, once
from homeport.analyze.pattern import late
from homeport.analyze.repo import Repo
from homeport.analyze.ruleset import Ruleset
from homeport.analyze.voice import Voice, pick
from homeport.model.requirements import Ecosystem, GpuNeed, Kind

_MIX = "mix.exs"
_VERSION = late(r"\belixir:\s{0,3}\"[~>= ]{0,4}(\d\.\d{1,2}(?:\.\d{1,2})?)")
_DEPENDENCY = late(r"\{\s{0,2}:(\w{1,60})\s{0,2},")
_APPLICATION = late(r"\bmod:\s{0,3}\{")
_ESCRIPT = late(r"\bescript:\s")
_PORTS = (
    ("env-port-default", 0.78, late(r"System\.get_env\(\s{0,2}\"PORT\"(?:\s{0,2},\s{0,2}"
                                          r"|\)\s{0,3}\|\|\s{0,3})\"?(\d{2,5})\b")),
    ("endpoint-port", 0.7, late(r"\bhttp:\s{0,3}\[[^\]]{0,200}?\bport:\s{0,3}(\d{2,5})\b")),
    ("options-port", 0.6, late(r"(?:Cowboy|Bandit)[^\n]{0,200}?\bport:\s{0,3}(\d{2,5})\b")),
)  # fmt: skip
_ENV = late(r"System\.(?:get_env|fetch_env!?)\(\s{0,2}\"([A-Z][A-Z0-9_]{2,99})\"")
_TELLING = late(r"(?:^|/)(?:runtime|config|prod|dev|application|router|endpoint)\.exs?$")


def _read(repo: Repo, claims: Claims) -> None:
    if _MIX not in repo:
        return
    voice = Voice(repo, claims, Ecosystem.ELIXIR)
    share = voice.begin(_MIX, (".ex", ".exs", ".heex", ".eex"))
    for found, line in voice.hits(_MIX, _VERSION, most=1):
        voice.version(found[1], "mix-version", 0.85, _MIX, line)
    needs = {found[1]: line for found, line in voice.hits(_MIX, _DEPENDENCY, ("#",), most=200)}
    listens = voice.search(_code(repo.paths), _PORTS, _ENV, ("#",))
    if "exla" in needs or "torchx" in needs:
        voice.gpu(GpuNeed.OPTIONAL, "gpu-package", 0.5, _MIX, needs.get("exla") or needs["torchx"])
    sure = 0.55 + 0.2 * share
    stays = next((line for _, line in voice.hits(_MIX, _APPLICATION, ("#",), most=1)), 0)
    if "phoenix" in needs and any(path.endswith("endpoint.ex") for path in _code(repo.paths)):
        voice.start(("mix", "phx.server"), "phoenix", sure + 0.1, _MIX, needs["phoenix"])
        voice.kind(Kind.SERVICE, "phoenix", 0.6, _MIX, needs["phoenix"])
    elif stays and (listens or needs.keys() & {"plug_cowboy", "bandit", "cowboy"}):
        voice.start(("mix", "run", "--no-halt"), "application", sure, _MIX, stays)
        voice.kind(Kind.SERVICE, "application", 0.57, _MIX, stays)
    elif _ESCRIPT.search(repo.text(_MIX)):
        voice.kind(Kind.CLI, "escript", 0.57, _MIX)
    else:
        voice.kind(Kind.LIBRARY, "package", 0.56, _MIX)


@once
def _code(paths: Paths) -> list[str]:
    return pick(paths, (".ex", ".exs"), _TELLING, most=20, depth=4)


@once
def _wants(paths: Paths) -> list[str]:
    return [_MIX, *_code(paths)] if _MIX in paths else []


RULES = Ruleset(wants=_wants, read=_read, looks_for=("mix.exs of an application that stays up",))
