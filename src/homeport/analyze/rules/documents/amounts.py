# SPDX-License-Identifier: Apache-2.0
"""How much: GPU memory, number of GPUs, memory, disk and processors, where a document says so."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from homeport.analyze.claims import Claims, Field
from homeport.analyze.pattern import late
from homeport.analyze.prose import Sentence
from homeport.analyze.rules.documents import phrases, tables
from homeport.analyze.rules.documents.choice import is_main, weight
from homeport.model.evidence import Origin

_GIB = 1024**3
_UNITS = {"k": _GIB >> 20, "m": _GIB >> 10, "g": _GIB, "t": _GIB << 10}
_SIZE = r"(?<![\w.])(\d{1,5}(?:\.\d{1,3})?)\s?(g|t(?=i?b|erab)|m(?=i?b|egab))(?:i?b|igabytes?|egabytes?|erabytes?)?\b"
_LARGEST_GPU = 200 * _GIB
"""More is that of several, or no amount of memory at all."""
_VIDEO = r"(?:vram|(?:gpu|graphics|video|cuda|device) (?:memory|ram|vram|card memory)|gpu\b|gpus\b|graphics cards?\b)"
_FLOOR = late(
    r"(?i)\b(?:at least|minimum|minimal|min\b\.?|minimally|requires?|required|requirements?|needs?|needed|must"
    r"|should have"
    r"|baseline|no less than|not less than|or more|or higher|or greater|enough for|takes? (?:about|around|up)"
    r"|recommend\w*|suggest\w*|advise\w*|ensure|make sure|sufficient|aim for)\b|>=|≥|\d\s?G(?:i?B)?\s?\+"
)
_VRAM = (
    late(rf"(?i){_SIZE}\)?\s?(?:\+|or (?:more|higher|greater) )?\s?(?:of )?(?:\w+ ){{0,2}}{_VIDEO}"),
    late(rf"(?i)\b{_VIDEO}[^.\d]{{0,45}}?{_SIZE}"),
)
_CARD_SIZE = late(rf"(?i)\b{phrases.CARD}[\s(-]{{0,3}}{_SIZE}|\b(\d{{2,3}})\s?(g)i?b\b\s(?:nvidia )?{phrases.CARD}")
_RAM = (
    late(
        rf"(?i){_SIZE}\)?\+?\s?(?:or (?:more|higher) )?(?:of )?(?:(?:free|available|system|host|cpu|main|physical"
        rf"|installed|total) ){{0,2}}(?:ram\b|memory\b)"),
    late(rf"(?i)(?<!gpu )(?<!video )(?<!graphics )\b(?:ram|memory)\b[^.\d]{{0,25}}?{_SIZE}"
        r"(?!\)?\+?\s?(?:of )?(?:(?:free|available|ssd|nvme|hard|local) ){0,3}(?:disk|storage|hard ?drive|ssd|hdd)\b)"),
)  # fmt: skip
_DISK = (
    late(
        rf"(?i){_SIZE}\)?\+?\s?(?:or more )?(?:of )?(?:(?:free|available|ssd|nvme|hard|local) ){{0,3}}(?:disk"
        rf"|storage|hard ?drive|ssd|space|hdd)\b"),
    late(rf"(?i)\b(?:disk(?: space)?|storage(?: space)?|free space|hard drive|hdd|ssd)\b[^.\d]{{0,25}}?{_SIZE}"),
)  # fmt: skip
_CORES = late(
    r"(?i)(?<![\w.])(\d{1,3})\+?[\s-]?(?:or more )?(?:(?:physical|virtual|logical|cpu|processor|x86|fast"
    r"|modern) ){0,2}(?:cores?|vcpus?|cpus|processors)\b(?!\s?hours)"
    r"|\b(?:cpu|processor)s?\b[:\s]{1,3}(?:at least |minimum |>= ?)?(\d{1,3})\+?\s?-?(?:cores?|vcpus?)\b"
)
_WORDS = {"one": 1, "single": 1, "two": 2, "dual": 2, "three": 3, "four": 4, "six": 6, "eight": 8}
_COUNTED = late(
    rf"(?i)(?<![\w.-])(\d{{1,4}}|one|single|two|dual|three|four|six|eight)(?:\s?-\s?\d{{1,4}})?[\s-]?"
    rf"{phrases.TIMES}?\s?(?:of )?(?:high-end |nvidia |tesla |geforce |rtx |amd )*(?:\d{{2,3}}\s?gi?b )?"
    rf"(?:{phrases.CARD}(?![\w.]*\s?gi?b of)"
    rf"|gpus?\b(?!\snodes?\b|\sserver))"
)
_NODES = late(
    r"(?i)(?<![\w.-])(\d{1,3})\s(?:[\w-]{1,20}\s){0,3}nodes\b(?:[^.()]{0,10}\((\d{1,4})\s(?:[\w-]{1,12}\s)?gpus\b)?"
)
_ONE = late(r"(?i)\b(?:an?)\s(?:\w+[\s-]){0,3}?gpu\b(?!s)")
_NPROC = late(r"--(?:nproc[-_]per[-_]node|num[-_]gpus|num_processes|n?gpus)[=\s]{1,3}(\d{1,2})\b")
_USAGE = late(r"(?i)^to \w+\b|\b(?:or|/) (?:tpu|cpu|more)\b|\bif you\b")
"""How one goes about it with so many, or with something else."""
_EXAMPLE = 0.45
_HEAP = late(r"-Xmx(\d{1,5})([mgMG])\b")
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
_MEMORY = late(rf"(?i){_SIZE}\)?\+?\s?(?:or (?:more|higher) )?(?:of )?memory\b")
_RUN_ON = late(
    r"(?i)\b(?:run(?:s|ning)?|ran|(?:pre)?train\w*|test(?:s|ed|ing)?|fit(?:s|ting)?|us(?:es?|ing|ed)|takes?|experiments?"
    r"|fine-?tun\w+|reproduc\w+|evaluat\w+|inference|generat\w+|node)\b"
)
_SHM = late(r"--shm-size[= ][\"']?(\d{1,5})\s?([gm])(?:i?b)?\b", re.I)
_OUTRIGHT = late(r"(?i)\bminimum\b[^.]{0,40}\b(?:memory|ram|vram)\b[^.]{0,20}\brequire|\bat least\b|\bminimum of\b")
_GAUGED = late(r"(?i)\bprofil|\bbenchmark|\bspeed\b|\blatency|\bthroughput|\bfaster\b")
_AGAINST = late(r"(?i)\bvs\b|\bversus\b|\bcompar(?:ed|ison|ing)\b|\bresults are (?:shown|illustrated|below)\b")
"""It was measured on that, against something else."""
_SIZED = late(r"\b\d{1,3}(?:\.\d)?B\b")
_SHARED = late(r"(?i)\bshar(?:ed|ing|eable)\b|\bslic(?:e|ing|eable)|\bMIG\b|\bpartition")
_LESSENED = late(r"(?i)\bint[48]\b|\bquanti[sz]|[48]-?bit|\bas (?:little|low) as\b|\bno gpu at all|\bonly \d")
_OURS = late(r"(?i)\b(?:my|our|i|we) (?:\w+ ){0,3}(?:trained|setup|used|ran|machine|training)|\bgraciously")
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
                _commands(file, one, counts * aside, claims)
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
                _counts(file, one, counts * aside, claims)


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
        0.8 if _OURS.search(one.text) else 1.0
    )
    counts *= 0.8 if weight(file) <= 0.5 and _SIZED.search(one.text) else 1.0  # of one model among several
    vram, spans = _first(_VRAM, one.text)
    if not vram and of_gpu and not _HOST.search(one.text):
        vram, spans = _first((_MEMORY,), one.text)
    if not vram and _SIZED.search(one.text) and not _HOST.search(one.text) and _RUN_ON.search(one.text):
        vram, spans = _first((_MEMORY,), one.text)  # of a model, when nothing else is said
        counts *= 0.6
    about_gpu = bool(one.headings) and bool(_GPU.search(one.headings[-1])) and not _HOST_MEMORY.search(one.text)
    if not vram and about_gpu:
        vram, spans = _first((_RAM[0],), one.text)
    if vram:
        sure = floor if asked else 0.55 if _DOING.search(one.text) else 0.42
        lessened = 0.9 if _LESSENED.search(one.text) else 0.7 if _GAUGED.search(one.text) and not asked else 1.0
        lessened *= 0.6 if _RENTED.search(one.text) else 1.0
        _claim(claims, "vram_bytes", vram, file, one, "vram", sure * lessened * counts)
    elif (found := _CARD_SIZE.search(one.text)) and not _SHARED.search(one.text):
        size = _bytes(found[1] or found[3], found[2] or found[4])
        sure = 0.62 if asked else 0.55 if _RUN_ON.search(one.text) else 0.42
        _claim(claims, "vram_bytes", size, file, one, "card", sure * counts * (0.8 if _AGAINST.search(one.text) else 1))
        spans.append(found.span())
    rest = _without(one.text, spans)
    tested = bool(_TESTED.search(one.text))
    used = bool(_USED.search(rest) and _HOST_MEMORY.search(rest))
    parts: tuple[tuple[Field, Sequence[re.Pattern[str]], str], ...] = (
        ("memory_bytes", _RAM, "memory"),
        ("disk_bytes", _DISK, "disk"),
    )
    for field, patterns, rule in parts:
        size, _ = _first(patterns, rest) if field == "disk_bytes" or not about_gpu else (0, [])
        if size and (field == "disk_bytes" or tested or not re.search(rf"(?i)\b{_VIDEO}", rest)):
            sure = (floor if asked else 0.58 if tested or used else 0.45) * (
                0.6 if _OTHERS.search(rest) or "cpu only" in one.under else 1.0
            )
            _claim(claims, field, size, file, one, rule, sure * counts)
    if (asked or tested) and "<" not in one.text and (cores := _CORES.search(one.text)):
        number = int(cores[1] or cores[2])
        if 0 < number <= 256:
            _claim(claims, "cpus", float(number), file, one, "cores", (0.7 if asked else 0.58) * counts)


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
        sizes = [size for cell in row.video for found in re.findall(rf"(?i){_SIZE}", cell) if (size := _bytes(*found))]
        sure = 0.7 if phrases.ASKING.search(one.under) else 0.58
        sure = sure * counts * (1.0 if is_main(file) else 0.8) + (0.005 if row.favoured else 0.0)
        _claim(claims, "vram_bytes", sizes[0] if sizes else 0, file, one, "vram-table", sure)
    elif not phrases.ASIDE.search(one.under) and re.search(rf"(?i){_SIZE}", one.text):
        _amounts(file, one, counts, claims)


def _counts(file: str, one: Sentence, counts: float, claims: Claims) -> None:
    """Counted only where the sentence asks for them, or says what it was run on."""
    if (
        phrases.DRAWING.search(one.text)
        or _SHARED.search(one.text)
        or any(phrase.pattern.search(one.text) for phrase in phrases.DOUBTS)
    ):
        return
    rules = {phrase.rule for phrase in phrases.NEEDS if not phrase.first and phrase.pattern.search(one.text)}
    asked = "gpu-needed" in rules or "gpu-memory" in rules or bool(phrases.ASKING.search(one.under))
    if not rules and not asked:
        return
    if found := _COUNTED.search(one.text):
        number = _of_one_machine(one.text, found)
        if number > 0:
            sure = ((0.75 if asked else 0.6) if number <= 16 else 0.3) * (0.8 if _OURS.search(one.text) else 1.0)
            sure = min(sure, _EXAMPLE) if _USAGE.search(one.text) or _AGAINST.search(one.text) else sure
            _claim(claims, "gpu_count", number, file, one, "gpus-counted", sure * counts)
    elif asked and _ONE.search(one.text):
        _claim(claims, "gpu_count", 1, file, one, "a-gpu", 0.55 * counts)


def _of_one_machine(text: str, found: re.Match[str]) -> int:
    """4 nodes (32 GPUs) are 8 in each; how many nodes there are is no number of GPUs."""
    nodes = _NODES.search(text)
    if nodes and nodes.start() == found.start():
        each, left = divmod(int(nodes[2] or 0), int(nodes[1]) or 1)
        return each if not left else 0
    return _WORDS.get(found[1].lower()) or int(found[1])


def _commands(file: str, one: Sentence, counts: float, claims: Claims) -> None:
    if (found := _NPROC.search(one.text)) and 0 < int(found[1]) <= 16:
        _claim(claims, "gpu_count", int(found[1]), file, one, "processes-per-node", 0.55 * counts)
    if found := _SHM.search(one.text):
        _claim(claims, "shared_memory_bytes", _bytes(*found.groups()), file, one, "shm-size", 0.7 * counts)
    if found := _HEAP.search(one.text):
        _claim(
            claims,
            "memory_bytes",
            _bytes(*found.groups()),
            file,
            one,
            "heap",
            (0.6 if is_main(file) else 0.45) * counts,
        )


def _first(patterns: Sequence[re.Pattern[str]], text: str) -> tuple[int, list[tuple[int, int]]]:
    """The first size in bytes, and the spans of all. A word that has its size takes no other: `8 GB VRAM, 16 GB`."""
    found: list[re.Match[str]] = []
    for pattern in patterns:
        found += [match for match in pattern.finditer(text) if not any(_robs(match, one) for one in found)]
    sizes = [size for match in found if (size := _bytes(*match.groups()[:2]))]
    return (sizes[0] if sizes else 0), [match.span() for match in found]


def _robs(match: re.Match[str], other: re.Match[str]) -> bool:
    """Whether it takes the word of another for a size of its own."""
    return (
        match.start() < other.end()
        and other.start() < match.end()
        and not other.start() <= match.start(1) < other.end()
    )


def _without(text: str, spans: Sequence[tuple[int, int]]) -> str:
    for begin, end in spans:
        text = text[:begin] + "\x00" * (end - begin) + text[end:]
    return text


def _bytes(number: str, unit: str) -> int:
    """0 for what no machine has."""
    size = int(float(number) * _UNITS[unit.lower()])
    return size if (64 << 20) <= size <= (100 << 40) else 0


def _claim(claims: Claims, field: Field, value: float, file: str, one: Sentence, rule: str, sure: float) -> None:
    if value and (field != "vram_bytes" or value <= _LARGEST_GPU):
        claims.add(field, value, Origin.DOCUMENTED, file=file, line=one.line, rule=f"documents.{rule}",
                   confidence=round(sure, 3), text=one.text)  # fmt: skip
