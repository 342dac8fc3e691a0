# SPDX-License-Identifier: Apache-2.0
"""Models that a source names, and what they would take: estimates, for where nobody says how much.

The one that is loaded by name in code counts before the one in a document's commands."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from homeport.analyze.claims import Claims, Field
from homeport.analyze.paths import Paths, once
from homeport.analyze.pattern import late
from homeport.analyze.repo import Repo, in_the_way
from homeport.analyze.ruleset import Ruleset
from homeport.analyze.sizes import Model, Work, bits_in, disk_for, memory_for, read_model, vram_for
from homeport.model.evidence import Origin

_LOADED = late(
    r"(?:from_pretrained|load_model|snapshot_download|pipeline|WhisperModel|LLM|hf_hub_download)\(\s{0,4}"
    r"(?:\w{1,30}\s{0,2}=\s{0,2})?[\"']([\w./-]{3,120})[\"']"
)
_DEFAULT = late(
    r"(?i)\b(?:model(?:_name|_id|_path|_name_or_path)?|base_model|checkpoint|pretrained\w{0,20})[\"']?\s{0,2}"
    r"(?:[:=]|,\s?default=|:\s?str\s?=)\s{0,2}[\"']?([A-Za-z][\w-]{1,40}/[\w.-]{2,80})"
)
_ARGUMENT = late(
    r"--(?:model|base[-_]model|model[-_]id|model[-_]path|model[-_]name[\w-]{0,20})[ =][\"']?([\w./-]{3,120})"
)
_DOCUMENT = late(r"(?i)^(?:readme(?:\.md|\.rst)?|cog\.yaml)$")
_CODE = late(r"\.(?:py|ya?ml|json|sh)$")
_ESTIMATE = 0.4
_MOST = 60


def _read(repo: Repo, claims: Claims) -> None:
    files = [file for file in _wants(repo.paths) if repo.text(file)]
    found = next(iter(_named(repo, files)), None)
    if found is None:
        return
    model, file, line = found
    text = repo.text(file)
    work = _work(repo, file)
    bits = model.bits or bits_in(repo.line(file, line)) or (4 if "load_in_4bit=True" in text else 16)
    said = f"an estimate for {model.name} ({model.billions:g} billion parameters, {bits} bits, {work})"
    amounts: tuple[tuple[Field, int], ...] = (
        ("vram_bytes", vram_for(model.billions, bits=bits, work=work)),
        ("disk_bytes", disk_for(model.billions, bits=16, work=work)),
        ("memory_bytes", memory_for(model.billions, bits=bits)),
    )
    for name, size in amounts:
        if name != "memory_bytes" or model.billions >= 1:
            claims.add(name, size, Origin.CODE, file=file, line=line, rule=f"models.{work}",
                       confidence=_ESTIMATE, text=said)  # fmt: skip


def _named(repo: Repo, files: Sequence[str]) -> Iterator[tuple[Model, str, int]]:
    for patterns, wanted in (((_LOADED, _DEFAULT), _CODE), ((_LOADED, _ARGUMENT), _DOCUMENT), ((_ARGUMENT,), _CODE)):
        for file in files:
            if not wanted.search(file):
                continue
            for number, line in enumerate(repo.lines(file)[:2000], 1):
                for pattern in patterns:
                    if (found := pattern.search(line)) and (model := read_model(found[1])):
                        yield model, file, number


def _work(repo: Repo, file: str) -> Work:
    """By the file's own name and words: a script called train trains, one with an adapter trains that alone."""
    name, text = file.rpartition("/")[2].lower(), repo.text(file)
    training = (
        bool(re.search(r"train|finetun|fine_tun|lora|sft|dpo", name)) or ".backward()" in text or "Trainer(" in text
    )
    if training and re.search(r"(?i)\blora|get_peft_model|\bpeft\b|qlora", text):
        return Work.LORA
    return Work.TRAINING if training else Work.INFERENCE


@once
def _wants(paths: Paths) -> list[str]:
    found = [path for path in paths.within(0) if _DOCUMENT.fullmatch(path)]
    found += [path for path in paths.ending(".py", depth=2) if not in_the_way(path)]
    return sorted(found, key=lambda path: (path.count("/"), path))[:_MOST]


RULES = Ruleset(wants=_wants, read=_read, rank=80)
