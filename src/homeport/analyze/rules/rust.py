# SPDX-License-Identifier: Apache-2.0
"""Rust: Cargo.toml and those of a workspace's members, binaries, what they listen on, crates for GPUs."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from homeport.analyze.claims import Claims
from homeport.analyze.paths import Paths, in_the_way, once
from homeport.analyze.pattern import late
from homeport.analyze.repo import Repo
from homeport.analyze.ruleset import Ruleset
from homeport.analyze.tomlfile import read_toml, table, text_of
from homeport.analyze.voice import Voice, near, pick
from homeport.model.requirements import Ecosystem, GpuNeed, Kind

_CARGO = "Cargo.toml"
_TOOLCHAINS = ("rust-toolchain.toml", "rust-toolchain")
_PORTS = (
    ("env-port-default", 0.75, late(r"\"PORT\"\s{0,3}\)[^;]{0,120}?\"?(\d{4,5})\b")),
    ("listen", 0.65, late(r"\bbind\w{0,10}\(\s{0,3}&?\(?\s{0,3}\"[\w.:\[\]]{0,40}?:(\d{2,5})\"")),
    ("listen", 0.65, late(r"(?:\bbind|\.run|SocketAddr::from|serve)\(\s{0,3}\(\s{0,3}(?:\[[\d, ]{7,24}\]"
                                r"|\"[\w.:]{1,40}\")\s{0,3},\s{0,3}(\d{2,5})\s{0,3}\)")),
    ("address", 0.6, late(r"\"(?:0\.0\.0\.0|127\.0\.0\.1|localhost|\[::1?\]):(\d{2,5})\"")),
    ("port-constant", 0.55, late(r"(?i)\b(?:default_)?(?:http_|server_"
                                       r"|listen_)?port\s{0,3}:\s{0,3}u16\s{0,3}=\s{0,3}(\d[\d_]{1,5})\b")),
    ("argument-port", 0.65, late(r"default_value(?:_t)?\s{0,3}=\s{0,3}\"?(\d{4,5})\"?[^;]{0,120}?\bport\s{"
                                       r"0,3}:")),
)  # fmt: skip
_ENV = late(r"\benv::var(?:_os)?\(\s{0,3}\"([A-Z][A-Z0-9_]{1,99})\"")
_ROCKET = late(r"^\s{0,4}port\s{0,3}=\s{0,3}(\d{2,5})\b", re.M)
_TELLING = late(
    r"(?i)(?:^|/)(?:main|lib|server|serve|http|app|api|routes?|router|config|settings|args|cli|opts?|option)\.rs$"
)
_SERVERS = frozenset("axum actix-web warp rocket tonic hyper poem salvo tide rouille tiny_http ntex".split())
_COMMANDS = frozenset("clap structopt argh pico-args lexopt gumdrop bpaf".split())
_GPU = {
    "cudarc": 0.6, "cust": 0.7, "rustacuda": 0.7, "cuda-runtime-sys": 0.65, "cuda-driver-sys": 0.65, "cublas-sys": 0.65,
    "cudnn-sys": 0.65,
}  # fmt: skip
"""How sure one is that a crate that is always built in needs a GPU."""
_MAY_USE = frozenset("candle-core candle-nn tch burn ort llama-cpp-2 mistralrs rust-bert whisper-rs".split())
_GPU_FEATURE = late(r"^(?:cuda|cudnn|nccl|flash-attn|cublas|tensorrt)$")
_CHOICE = late(r"^(?:cuda|gpu|cudnn|metal|rocm)\w{0,20}$")
_NAME = r"[A-Za-z_][\w-]{0,80}"
_TOOL = late(r"(?i)^xtask$|fuzz|bench|codegen|tools?$|example")
_MOST_MEMBERS = 12


def _read(repo: Repo, claims: Claims) -> None:
    if _CARGO not in repo:
        return
    voice = Voice(repo, claims, Ecosystem.RUST)
    share = voice.begin(_CARGO, (".rs",))
    manifests: dict[str, dict[str, Any]] = {}
    for file in _manifests(repo.paths):
        found = read_toml(repo.text(file)) if repo.text(file) else {}
        if found is None and file == _CARGO:
            claims.warn(f"{_CARGO} cannot be read as TOML; nothing was taken from it")
        manifests[file] = found or {}
    _read_versions(voice, manifests[_CARGO])
    known = {name: (file, one) for file, data in reversed(manifests.items()) for name, one in _crates(data).items()}
    _read_gpu(voice, manifests)
    _read_choices(voice, manifests[_CARGO])
    listens = voice.search(_code(repo.paths), _PORTS, _ENV)
    if "rocket" in known:
        listens = _rocket(voice) or listens
    programs = _programs(voice, manifests)
    aside = bool(programs) and _is_aside(voice, manifests, programs[0])
    for place, (words, file) in enumerate(programs[:4]):
        sure = 0.55 + 0.2 * share - 0.1 * place - (0.4 if aside else 0.0)
        voice.start(("cargo", "run", "--release", *words), "binary", sure, file, repo.find(file, "fn main("))
    _read_kind(voice, () if aside else programs, known, listens)


def _read_versions(voice: Voice, cargo: Mapping[str, Any]) -> None:
    for keys in (("package",), ("workspace", "package")):
        version = table(cargo, *keys).get("rust-version")
        if isinstance(version, str) and re.fullmatch(r"\d[\d.]{0,10}", version):
            voice.version(version, "rust-version", 0.85, _CARGO, voice.repo.find(_CARGO, "rust-version"))
    pattern = late(r"^(?:channel\s{0,2}=\s{0,2}\")?(\d[\d.]{1,10})\"?\s*$", re.M)
    for file in _TOOLCHAINS:
        for found, line in voice.hits(file, pattern, most=1):
            voice.version(found[1], "toolchain", 0.9, file, line, minimum=False)


def _crates(manifest: Mapping[str, Any]) -> dict[str, object]:
    """What is built in, of this manifest or of its workspace, by the names of the crates."""
    found = {**table(manifest, "workspace", "dependencies"), **table(manifest, "dependencies")}
    return {str(table(found, name).get("package", name)): one for name, one in list(found.items())[:400]}


def _read_gpu(voice: Voice, manifests: Mapping[str, Mapping[str, Any]]) -> None:
    for file, manifest in manifests.items():
        defaults = table(manifest, "features").get("default")
        built_in = [one for one in defaults if isinstance(one, str)] if isinstance(defaults, list) else []
        if any(_GPU_FEATURE.match(one) for one in built_in):
            voice.gpu(GpuNeed.NEEDED, "default-feature", 0.6, file, voice.repo.find(file, "default"), "nvidia")
        for name, one in _crates(manifest).items():
            wanted = one if isinstance(one, dict) else {}
            optional = wanted.get("optional") is True
            features = wanted.get("features")
            asked = any(isinstance(word, str) and _GPU_FEATURE.match(word) for word in features or ()) \
                if isinstance(features, list) else False  # fmt: skip
            if name not in _GPU and name not in _MAY_USE:
                continue
            line = voice.repo.find(file, name)
            shared = not table(manifest, "dependencies").get(name)
            if (name in _GPU or asked) and not optional and not shared and file == _CARGO:
                voice.gpu(GpuNeed.NEEDED, "gpu-crate", _GPU.get(name, 0.6), file, line, "nvidia")
            else:
                sure = 0.52 if name in _GPU else 0.45
                voice.gpu(GpuNeed.OPTIONAL, "gpu-crate", sure if file == _CARGO else 0.3, file, line)
        if "mpi" in _crates(manifest):
            voice.kind(Kind.HPC, "mpi-crate", 0.57, file, voice.repo.find(file, "mpi"))


def _read_choices(voice: Voice, cargo: Mapping[str, Any]) -> None:
    """A feature called cuda is a choice."""
    for name in [one for one in table(cargo, "features") if _CHOICE.match(one)][:12]:
        voice.gpu(GpuNeed.OPTIONAL, "gpu-feature", 0.55, _CARGO, voice.repo.find(_CARGO, f"{name} ="))


def _rocket(voice: Voice) -> str:
    for found, line in voice.hits("Rocket.toml", _ROCKET, most=1):
        voice.port(found[1], "rocket-toml", 0.75, "Rocket.toml", line)
        return "Rocket.toml"
    pattern = late(r"rocket::build\(\)|rocket::ignite\(\)|#\[launch\]")
    for file in _code(voice.repo.paths):
        for _, line in voice.hits(file, pattern, ("//",), most=1):
            voice.port(8000, "rocket-default", 0.6, file, line)
            return file
    return ""


def _programs(voice: Voice, manifests: Mapping[str, Mapping[str, Any]]) -> list[tuple[tuple[str, ...], str]]:
    """(arguments of cargo run, file of its main), likeliest first."""
    repo = voice.repo
    cargo = manifests[_CARGO]
    called = voice.called
    found: list[tuple[tuple[str, ...], str]] = []
    bins = [one for one in cargo.get("bin", ()) if isinstance(one, dict)] if isinstance(cargo.get("bin"), list) else []
    default = text_of(table(cargo, "package").get("default-run"))
    for one in sorted(bins[:20], key=lambda one: one.get("name") != default):
        name, path = text_of(one.get("name")), text_of(one.get("path"))
        if re.fullmatch(_NAME, name) and not one.get("required-features"):
            file = path if path in repo else "src/main.rs" if "src/main.rs" in repo else _CARGO
            found.append((() if len(bins) == 1 else ("--bin", name), file))
    if not found and "src/main.rs" in repo:
        found.append(((), "src/main.rs"))
    for path in () if found else repo.paths.ending(".rs", depth=3):
        if parts := re.fullmatch(r"src/bin/([A-Za-z_][\w-]{0,80})(?:\.rs|/main\.rs)", path):
            found.append((("--bin", parts[1]), path))
    members = () if found else sorted(manifests.items(), key=lambda one: called not in one[0].lower().split("/"))
    for file, manifest in members:
        folder = file.removesuffix(_CARGO)
        name = text_of(table(manifest, "package").get("name"))
        if folder and f"{folder}src/main.rs" in repo and re.fullmatch(_NAME, name) and not _TOOL.search(name):
            found.append((("--package", name), f"{folder}src/main.rs"))
    return found


def _is_aside(voice: Voice, manifests: Mapping[str, Mapping[str, Any]], first: tuple[tuple[str, ...], str]) -> bool:
    """Whether the likeliest program is a helper of a library."""
    words, file = first
    name = text_of(table(manifests[_CARGO], "package").get("name"))
    if file in ("src/main.rs", "main.rs") or voice.called in words or name in words:
        return False
    if words[:1] == ("--package",):
        return len(manifests) >= 5 and "package" not in manifests[_CARGO] and not voice.published
    return "src/lib.rs" in voice.repo


def _read_kind(
    voice: Voice, programs: Sequence[tuple[tuple[str, ...], str]], known: Mapping[str, object], listens: str
) -> None:
    if not programs:
        voice.kind(Kind.LIBRARY, "no-binary", 0.58, _CARGO)
    elif known.keys() & _SERVERS and (listens or voice.published):
        voice.kind(Kind.SERVICE, "listens", 0.545, listens or _CARGO)
    elif known.keys() & _COMMANDS and not voice.published:
        voice.kind(Kind.CLI, "command-crate", 0.56, _CARGO)


@once
def _manifests(paths: Paths) -> list[str]:
    others = [path for path in paths.named(_CARGO, depth=3) if path != _CARGO and not in_the_way(path)]
    return [_CARGO, *sorted(others, key=near)[:_MOST_MEMBERS]]


@once
def _code(paths: Paths) -> list[str]:
    return pick(paths, (".rs",), _TELLING, most=30)


@once
def _wants(paths: Paths) -> list[str]:
    if _CARGO not in paths:
        return []
    return [*_manifests(paths), *(one for one in (*_TOOLCHAINS, "Rocket.toml") if one in paths), *_code(paths)]


RULES = Ruleset(wants=_wants, read=_read, looks_for=("Cargo.toml with a binary",))
