# SPDX-License-Identifier: Apache-2.0
"""How much GPU memory, memory, disk and how many processors, where a sentence or a table says so."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from homeport.analyze.claims import Claims, Field
from homeport.analyze.pattern import late
from homeport.analyze.prose import Sentence
from homeport.analyze.rules.documents import commands, numbers, phrases, tables
from homeport.analyze.rules.documents.choice import is_main, weight
from homeport.analyze.rules.documents.sizes import SIZE, claim, first, to_bytes, without

_VIDEO = r"(?:vram|(?:gpu|graphics|video|cuda|device) (?:memory|ram|vram|card memory)|gpu\b|gpus\b|graphics cards?\b)"
_FLOOR = late(
    r"(?i)\b(?:at least|minimum|minimal|min\b\.?|minimally|requires?|required|requirements?|needs?|needed|must"
    r"|should have"
    r"|baseline|no less than|not less than|or more|or higher|or greater|enough for|takes? (?:about|around|up)"
    r"|recommend\w*|suggest\w*|advise\w*|ensure|make sure|sufficient|aim for)\b|>=|≥|\d\s?G(?:i?B)?\s?\+"
)
_VRAM = (
    late(rf"(?i){SIZE}\)?\s?(?:\+|or (?:more|higher|greater) )?\s?(?:of )?(?:\w+ ){{0,2}}{_VIDEO}"),
    late(rf"(?i)\b{_VIDEO}[^.\d]{{0,45}}?{SIZE}"),
)
_CARD_SIZE = late(rf"(?i)\b{phrases.CARD}[\s(-]{{0,3}}{SIZE}|\b(\d{{2,3}})\s?(g)i?b\b\s(?:nvidia )?{phrases.CARD}")
_RAM = (
    late(
        rf"(?i){SIZE}\)?\+?\s?(?:or (?:more|higher) )?(?:of )?(?:(?:free|available|system|host|cpu|main|physical"
        rf"|installed|total) ){{0,2}}(?:ram\b|memory\b)"),
    late(rf"(?i)(?<!gpu )(?<!video )(?<!graphics )\b(?:ram|memory)\b[^.\d]{{0,25}}?{SIZE}"
        r"(?!\)?\+?\s?(?:of )?(?:(?:free|available|ssd|nvme|hard|local) ){0,3}(?:disk|storage|hard ?drive|ssd|hdd)\b)"),
)  # fmt: skip
_DISK = (
    late(
        rf"(?i){SIZE}\)?\+?\s?(?:or more )?(?:of )?(?:(?:free|available|ssd|nvme|hard|local) ){{0,3}}(?:disk"
        rf"|storage|hard ?drive|ssd|space|hdd)\b"),
    late(rf"(?i)\b(?:disk(?: space)?|storage(?: space)?|free space|hard drive|hdd|ssd)\b[^.\d]{{0,25}}?{SIZE}"),
)  # fmt: skip
_CORES = late(
    r"(?i)(?<![\w.])(\d{1,3})\+?[\s-]?(?:or more )?(?:(?:physical|virtual|logical|cpu|processor|x86|fast"
    r"|modern) ){0,2}(?:cores?|vcpus?|cpus|processors)\b(?!\s?hours)"
    r"|\b(?:cpu|processor)s?\b[:\s]{1,3}(?:at least |minimum |>= ?)?(\d{1,3})\+?\s?-?(?:cores?|vcpus?)\b"
)
_DIGIT = late(r"\d")
_LARGE = late(
    r"(?i)^if\b|^for (?:an? |the )?(?:full|large|big|entire|whole|production)\b|\bif you (?:still|see|get|encounter"
    r"|want)|\bin case\b|\bless memory"
)
_TOO_LITTLE = late(
    r"(?i)\b(?:less|fewer|lower) than\b.{0,60}\b(?:not|n't|un)\s?(?:recommend|support|enough|sufficient|advis|work)"
)
_SUPPOSED = late(
    r"(?i)\bfor (?:example|instance)\b|\be\.g\.|\bif you have\b|\bif your \w+ (?:has|have|is)\b|\bsuppose\b"
)
_FLAG = late(r"(?:^|\s)--?[A-Za-z][\w-]{1,40}[ =]\d{1,6}(?:\.\d)?\s?[kmgtKMGT]i?[bB]?\b")
"""An argument of a command that stands among the words."""
_GPU = late(rf"(?i)\b{phrases.DEVICE}\b")
_HOST = late(r"(?i)\bram\b|\b(?:system|host|cpu|main|physical|heap|java|server) memory")
_HOST_MEMORY = late(r"(?i)\b(?:system|host|cpu|main|physical|server) (?:memory|ram)\b")
_MEMORY = late(rf"(?i){SIZE}\)?\+?\s?(?:or (?:more|higher) )?(?:of )?memory\b")
_RUN_ON = late(
    r"(?i)\b(?:run(?:s|ning)?|ran|(?:pre)?train\w*|test(?:s|ed|ing)?|fit(?:s|ting)?|us(?:es?|ing|ed)|takes?|experiments?"
    r"|fine-?tun\w+|reproduc\w+|evaluat\w+|inference|generat\w+|node)\b"
)
_OUTRIGHT = late(r"(?i)\bminimum\b[^.]{0,40}\b(?:memory|ram|vram)\b[^.]{0,20}\brequire|\bat least\b|\bminimum of\b")
_GAUGED = late(r"(?i)\bprofil|\bbenchmark|\bspeed\b|\blatency|\bthroughput|\bfaster\b")
_SIZED = late(r"\b\d{1,3}(?:\.\d)?B\b")
_LESSENED = late(r"(?i)\bint[48]\b|\bquanti[sz]|[48]-?bit|\bas (?:little|low) as\b|\bno gpu at all|\bonly \d")
_DOING = late(
    r"(?i)\b(?:run(?:s|ning)?|train\w*|fit(?:s|ting)?|uses?|using|takes?|consum\w+|finetun\w+|fine-tun\w+|occup\w+"
    r"|on an?|single|load\w*)\b"
)
_TESTED = late(r"(?i)\btest(?:ed|ing)\b[^.]{0,60}\b(?:machine|server|instance|node|vm|workstation|host)\b")
"""A whole machine is described, which it ran on."""
_USED = late(
    r"(?i)\b(?:us(?:es?|ing)|takes?|consum\w+|needs?|requires?) (?:\w+ ){0,2}"
    r"(?:just |about |around |roughly |up to |over )"
)
_REDUCED = late(
    r"(?i)\breduced\b|\blower hardware\b|\bsmaller (?:database|dataset|subset|version)\b|\bminimal (?:example|setup)\b"
)
"""Of a smaller thing than the whole."""
_RENTED = late(
    r"(?i)\bvirtual machines?\b|\bvms?\b|\binstance (?:type|famil)|\binstances? (?:with|includ\w+|compris\w+)"
)
"""What a machine of somebody's has is not what is needed of it."""
_OTHERS = late(
    r"(?i)cpu only|cpu memory|colab|kaggle|laptop|our (?:machine|server|cluster)|file|dataset|checkpoint"
    r"|per (?:user|day|rank|process|core|task|thread|worker|request)|upload"
)


def read(documents: Sequence[tuple[str, list[Sentence]]], claims: Claims) -> None:
    for file, sentences in documents:
        counts = _counts_for(file)
        before = reduced = -2
        table = tables.rows(sentences)
        for one in sentences:
            aside = (0.75 if _OUTRIGHT.search(one.text) else 0.5) if phrases.ASIDE.search(one.under) else 1.0
            if one.code:
                commands.read(file, one, counts * aside, claims)
                continue
            if one.row:
                if one.line in table:
                    _row(file, table[one.line], counts, claims)
                continue
            if _REDUCED.search(one.text):
                reduced = one.order
            if _DIGIT.search(one.text):
                part = 0.65 if one.order - reduced <= 1 else 1.0
                _amounts(file, one, counts * aside * part, claims, of_gpu=one.order - before <= 1)
            if _GPU.search(one.text):
                before = one.order
            if phrases.ABOUT.search(one.text):
                numbers.read(file, one, counts * aside, claims)


def _counts_for(file: str) -> float:
    if is_main(file):
        return 1.0
    return 0.9 if weight(file) > 0.5 else 0.7 if weight(file) == 0.5 else 0.6


def _amounts(file: str, one: Sentence, counts: float, claims: Claims, *, of_gpu: bool = False) -> None:
    """`of_gpu`: the sentence before speaks of a GPU, so memory that is not said to be the machine's is the GPU's."""
    floor = _floor(one)
    asked = floor >= 0.7
    if "-" in one.text and _FLAG.search(one.text):
        one = replace(one, text=_FLAG.sub(" ", one.text))
    counts *= (0.6 if _LARGE.search(one.text) or _SUPPOSED.search(one.text) else 1.0) * (
        0.8 if phrases.OURS.search(one.text) else 1.0
    )
    counts *= 0.8 if weight(file) <= 0.5 and _SIZED.search(one.text) else 1.0  # of one model among several
    vram, spans = first(_VRAM, one.text)
    if not vram and of_gpu and not _HOST.search(one.text):
        vram, spans = first((_MEMORY,), one.text)
    if not vram and _SIZED.search(one.text) and not _HOST.search(one.text) and _RUN_ON.search(one.text):
        vram, spans = first((_MEMORY,), one.text)  # of a model, when nothing else is said
        counts *= 0.6
    about_gpu = bool(one.headings) and bool(_GPU.search(one.headings[-1])) and not _HOST_MEMORY.search(one.text)
    if not vram and about_gpu:
        vram, spans = first((_RAM[0],), one.text)
    if vram:
        sure = floor if asked else 0.55 if _DOING.search(one.text) else 0.42
        lessened = 0.9 if _LESSENED.search(one.text) else 0.7 if _GAUGED.search(one.text) and not asked else 1.0
        lessened *= 0.6 if _RENTED.search(one.text) else 1.0
        claim(claims, "vram_bytes", vram, file, one, "vram", sure * lessened * counts)
    elif (found := _CARD_SIZE.search(one.text)) and not phrases.SHARED.search(one.text):
        size = to_bytes(found[1] or found[3], found[2] or found[4])
        sure = 0.62 if asked else 0.55 if _RUN_ON.search(one.text) else 0.42
        claim(
            claims,
            "vram_bytes",
            size,
            file,
            one,
            "card",
            sure * counts * (0.8 if phrases.AGAINST.search(one.text) else 1),
        )
        spans.append(found.span())
    rest = without(one.text, spans)
    tested = bool(_TESTED.search(one.text))
    used = bool(_USED.search(rest) and _HOST_MEMORY.search(rest))
    parts: tuple[tuple[Field, Sequence[re.Pattern[str]], str], ...] = (
        ("memory_bytes", _RAM, "memory"),
        ("disk_bytes", _DISK, "disk"),
    )
    for field, patterns, rule in parts:
        size, _ = first(patterns, rest) if field == "disk_bytes" or not about_gpu else (0, [])
        if size and (field == "disk_bytes" or tested or not re.search(rf"(?i)\b{_VIDEO}", rest)):
            sure = (floor if asked else 0.58 if tested or used else 0.45) * (
                0.6 if _OTHERS.search(rest) or "cpu only" in one.under else 1.0
            )
            claim(claims, field, size, file, one, rule, sure * counts)
    if (asked or tested) and "<" not in one.text and (cores := _CORES.search(one.text)):
        number = int(cores[1] or cores[2])
        if 0 < number <= 256:
            claim(claims, "cpus", float(number), file, one, "cores", (0.7 if asked else 0.58) * counts)


def _floor(one: Sentence) -> float:
    """How much a sentence says that less will not do; 0.0 for one that only names an amount."""
    if _TOO_LITTLE.search(one.text):
        return 0.85
    if _FLOOR.search(one.text):
        sure = 0.8
    elif phrases.ASKING.search(one.under):
        sure = 0.74
    else:
        return 0.0
    if "minimum" in one.under or "minimum" in one.text.lower():
        return sure + 0.04
    return sure - 0.04 if "recommend" in one.under or "recommend" in one.text.lower() else sure


def _row(file: str, row: tables.Row, counts: float, claims: Claims) -> None:
    """What stands under a heading of GPU memory; a table without one is read as sentences are."""
    one = row.sentence
    if row.video:
        sizes = [size for cell in row.video for found in re.findall(rf"(?i){SIZE}", cell) if (size := to_bytes(*found))]
        sure = 0.7 if phrases.ASKING.search(one.under) else 0.58
        sure = sure * counts * (1.0 if is_main(file) else 0.8) + (0.005 if row.favoured else 0.0)
        claim(claims, "vram_bytes", sizes[0] if sizes else 0, file, one, "vram-table", sure)
    elif not phrases.ASIDE.search(one.under) and re.search(rf"(?i){SIZE}", one.text):
        _amounts(file, one, counts, claims)
