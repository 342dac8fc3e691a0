# SPDX-License-Identifier: Apache-2.0
"""What a model may be asked about requirements, and what its answer may change. Pure.

What the user, a manifest, or evidence that is no hint says is never asked about. An estimate or a default may move
from half of it to four times it: estimates err more often by asking for too little, and four times is where a machine
is a different one. Where nothing was found, the bounds are those of one small machine, so that a wrong answer costs
little. A GPU is given up or asked for by one step at a time. Names come from lists. Whatever a model says stays an
estimate (confidence below `HINT`): it ranks machines, and rules out only what misses it by far.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from homeport.model.advice import Advised, Answer, Decision, Question
from homeport.model.answerschema import answer_schema, choice, fit, words_of
from homeport.model.evidence import Evidence, Inferred, Origin
from homeport.model.paths import printable
from homeport.model.requirements import Ecosystem, GpuNeed, Requirements, firm
from homeport.model.size import as_size
from homeport.model.systemimage import SystemImage

LEAST, MOST = 0.5, 4.0
"""Times what was estimated."""
CONFIDENCE = 0.4
_GIB = 2**30
_NOTES, _NOTE = 5, 120


@dataclass(frozen=True, slots=True)
class _Number:
    """`absent`: the bounds where nothing was found, in `unit`; None: it is not asked for then."""

    field: str
    asked: str
    unit: int
    what: str
    absent: tuple[float, float] | None = None
    whole: bool = False
    of_gpu: bool = False


_NUMBERS = (
    _Number("cpus", "cpu_cores", 1, "processors", absent=(1, 8)),
    _Number("memory_bytes", "ram_gb", _GIB, "GiB of memory"),
    _Number("disk_bytes", "disk_gb", _GIB, "GiB of disk", absent=(1, 100)),
    _Number("gpu_count", "gpu_count", 1, "GPUs", whole=True, of_gpu=True),
    _Number("vram_bytes", "gpu_memory_gb", _GIB, "GiB of memory of one GPU", absent=(2, 24), of_gpu=True),
)
_CUDAS = ("11.8", "12.1", "12.4", "12.6", "12.8", "13.0")
_PYTHONS = ("3.8", "3.9", "3.10", "3.11", "3.12", "3.13", "3.14")
_STEP = {
    GpuNeed.NO: (GpuNeed.NO, GpuNeed.OPTIONAL),
    GpuNeed.OPTIONAL: (GpuNeed.NO, GpuNeed.OPTIONAL, GpuNeed.NEEDED),
    GpuNeed.NEEDED: (GpuNeed.OPTIONAL, GpuNeed.NEEDED),
}
_OF_GPU = ("gpu_count", "vram_bytes", "cuda", "rocm", "compute_capability")


def ask_requirements(
    requirements: Requirements,
    extracts: Sequence[str],
    *,
    systems: Sequence[SystemImage] = (),
) -> Question | None:
    """The question; None where all is said. `systems`: what can be had."""
    asked = dict(_open(requirements, systems))
    if not asked:
        return None
    lines = [f"- {name}: {text}" for name, (text, _) in asked.items()]
    schemas = {name: schema for name, (_, schema) in asked.items()}
    notes = {"type": "array", "items": {"type": "string"}, "maxItems": _NOTES}
    return Question(
        Decision.REQUIREMENTS,
        "Estimate what machine the software needs. Null leaves a value as it is.\n" + "\n".join(lines)
        + "\n- special_requirements: what else a machine must have, in a few words each; often none"
        + "\n- reasoning: why, in one or two sentences",
        tuple(extracts),
        answer_schema({**schemas, "special_requirements": notes}),
    )  # fmt: skip


def settle_requirements(
    requirements: Requirements, question: Question, answer: Answer
) -> tuple[Requirements, tuple[Advised, ...], str]:
    """The requirements with what the answer moves, each move, and why the answer was of no use ("" where it was).

    An answer with one value out of its bounds moves nothing: a model that is wrong about what it was told is not
    believed about the rest.
    """
    if answer.value is None:
        return requirements, (), answer.trouble or "no answer came"
    try:
        value = fit(answer.value, question.schema)
    except ValueError as error:
        return requirements, (), str(error)
    why = words_of(value.get("reasoning"))
    changes: dict[str, Any] = {}
    moves: list[Advised] = []
    for field, became in _moves(value):
        was = getattr(requirements, field)
        if was is None or was.value != became:
            changes[field] = _advised(was, became, why)
            shown = _shown(field, was.value) if was else ""
            moves.append(Advised(Decision.REQUIREMENTS, field, shown, _shown(field, became), why))
    notes = [text for note in value.get("special_requirements", ()) if (text := words_of(note, _NOTE))]
    moves += [Advised(Decision.REQUIREMENTS, "special_requirements", "", note, why) for note in notes]
    changes = _of_one_mind(requirements, changes)
    kept = tuple(one for one in moves if changes.get(one.field) or one.field == "special_requirements")
    return replace(requirements, **changes), kept, ""


def _open(needs: Requirements, systems: Sequence[SystemImage]) -> Iterator[tuple[str, tuple[str, dict[str, Any]]]]:
    """What may be asked: by its name in the answer, the words and the schema for it."""
    if options := _gpu_options(needs):
        text = f"whether it needs a GPU; now {needs.gpu.value}; one of {', '.join(options)}"
        yield "gpu", (text, choice(options))
    for number in _NUMBERS:
        if number.of_gpu and needs.gpu.value is GpuNeed.NO:
            continue
        if bounds := _bounds(number, getattr(needs, number.field)):
            now, least, most = bounds
            schema = {"type": ["integer" if number.whole else "number", "null"], "minimum": least, "maximum": most}
            yield number.asked, (f"{number.what}; {now}; {least:.3g} to {most:.3g}", schema)
    for field, asked, what, names in _lists(needs, systems):
        if names and not firm(getattr(needs, field)):
            yield asked, (f"{what}; one of {', '.join(names)}", choice(names))


def _lists(needs: Requirements, systems: Sequence[SystemImage]) -> Iterator[tuple[str, str, str, tuple[str, ...]]]:
    releases = tuple(sorted({f"{one.family} {one.version}" for one in systems if one.family and one.version}))
    if not firm(needs.os_family):
        yield "os_version", "os_version", "the operating system and its release", releases
    if needs.gpu.value is not GpuNeed.NO and (needs.gpu_vendor is None or needs.gpu_vendor.value == "nvidia"):
        yield "cuda", "cuda", "the CUDA version it needs", _CUDAS
    python = (
        needs.language.value.casefold() == "python" if needs.language else needs.ecosystem.value is Ecosystem.PYTHON
    )
    if python and needs.runtime_version is None:
        yield "language_version", "python_version", "the Python version it needs", _PYTHONS


def _gpu_options(needs: Requirements) -> tuple[GpuNeed, ...]:
    """What the evidence leaves open: nothing where it is firm, and nothing where no line speaks of a GPU at all."""
    unmentioned = needs.gpu.origin is Origin.DEFAULT and not needs.gpu.note
    if unmentioned or (needs.gpu.origin is not Origin.DEFAULT and firm(needs.gpu)):
        return ()
    counted = any(firm(getattr(needs, field)) for field in _OF_GPU)
    return tuple(one for one in _STEP[needs.gpu.value] if one is not GpuNeed.NO or not counted)


def _bounds(number: _Number, found: Inferred[Any] | None) -> tuple[str, float, float] | None:
    """What is assumed now, in words, and how far it may move; None where it may not."""
    if found is None:
        return ("nothing was found", *number.absent) if number.absent else None
    if firm(found):
        return None
    now = found.value / number.unit
    if number.whole:
        return f"now {now:g}", max(1, math.ceil(now * LEAST)), math.floor(now * MOST)
    return f"now {now:.3g}", math.ceil(now * LEAST * 100) / 100, math.floor(now * MOST * 100) / 100


def _moves(value: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Fields of Requirements and their new values."""
    if value.get("gpu") is not None:
        yield "gpu", GpuNeed(value["gpu"])
    for number in _NUMBERS:
        if (amount := value.get(number.asked)) is not None:
            yield number.field, float(amount) if number.field == "cpus" else round(amount * number.unit)
    if system := value.get("os_version"):
        family, _, release = system.partition(" ")
        yield "os_family", family
        yield "os_version", release
    for asked, field in (("cuda", "cuda"), ("python_version", "language_version")):
        if value.get(asked) is not None:
            yield field, value[asked]


def _of_one_mind(needs: Requirements, changes: dict[str, Any]) -> dict[str, Any]:
    """Without a GPU nothing is said of one; a GPU that is needed is at least one."""
    gpu = changes.get("gpu", needs.gpu).value
    if "gpu" not in changes:
        return changes
    if gpu is GpuNeed.NO:
        return {**{name: one for name, one in changes.items() if name not in _OF_GPU}, **dict.fromkeys(_OF_GPU)}
    if gpu is GpuNeed.NEEDED and needs.gpu_count is None and "gpu_count" not in changes:
        return {**changes, "gpu_count": Inferred(1, Origin.DEFAULT, note="nothing says how many")}
    return changes


def _advised(was: Inferred[Any] | None, became: Any, why: str) -> Inferred[Any]:
    best = was.evidence[0] if was and was.evidence else None
    where = f" ({printable(best.file, 100)}:{best.line})" if best and best.file else ""
    note = f"instead of {printable(str(was.value), 60)}{where}" if was else ""
    evidence = Evidence("", 0, "llm.requirements", CONFIDENCE, printable(why, 160))
    return Inferred(became, Origin.LLM, (evidence,), note)


def _shown(field: str, value: Any) -> str:
    if field.endswith("_bytes"):
        return as_size(value)
    return f"{value:g}" if isinstance(value, float) else printable(str(value), 60)
