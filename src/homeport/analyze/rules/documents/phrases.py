# SPDX-License-Identifier: Apache-2.0
"""Phrases about GPUs, as data: what each says, and how much it weighs alone.

A sentence gives at most one verdict: the first of `DOUBTS`, then of `WAYS_ROUND`, then of `NEEDS` that matches. In
the tables `<gpu>` stands for any word for a GPU, `<card>` for a model of one."""

from __future__ import annotations

import re
from dataclasses import dataclass

from homeport.analyze.pattern import late

CARD = (
    r"(?:(?:rtx|gtx|geforce|quadro|tesla|titan|radeon)\b|[avhl]\d{2,3}0s?\b|a6000|a5000|a10g?\b|h200|b200|gh200|t4\b|k80"
    r"|p100|p40\b|v100|dgx|mi\d{2,3}x?\b|(?:20|30|40|50)[6789]0(?:\s?ti)?\b)"
)
DEVICE = rf"(?:gpus?|cuda|nvidia|vram|graphics cards?|video cards?|rocm|{CARD})"
TIMES = "[x\u00d7*]"


@dataclass(frozen=True, slots=True)
class Phrase:
    rule: str
    weight: float
    pattern: re.Pattern[str]
    first: int = 0
    """Counted in the first so many sentences of a document only; 0 means everywhere."""


def compiled(*alternatives: str) -> re.Pattern[str]:
    """One pattern of them all, in any case of letters."""
    text = "|".join(alternatives).replace("<gpu>", DEVICE).replace("<card>", CARD).replace("<x>", TIMES)
    return late(text, re.I)


def _phrase(rule: str, weight: float, *alternatives: str, first: int = 0) -> Phrase:
    return Phrase(rule, weight, compiled(*alternatives), first)


ABOUT = compiled(r"\b<gpu>\b", r"\bcpus?\b", r"\blaptops?\b", r"\bhip\b")
"""Sentences without any of these say nothing here."""

DRAWING = compiled(
    r"\bgpu[- ](?:accelerated|powered|enhanced|based)?\s?(?:terminal|render|editor|text|ui|gui|drawing|compositing)",
    r"\bgpu particles",
    r"\bopengl",
    r"\bvulkan render",
    r"\bwebgpu|\bwebgl|\bwasm",
    r"\bmonitor",
    r"\bgpu (?:metrics?|usage|util|stats|temperature|info|telemetry)",
    r"\bmetrics",
    r"\bexporter",
    r"hardware acceleration|transcod",
    r"\bqueue",
    r"github actions",
    r"\bintegrated graphics",
)
"""GPUs that draw, or are looked at: nothing is computed on them."""

DOUBTS = (
    _phrase(
        "gpu-not-needed", 0.9,
        r"\b(?:no|without(?: an?| the need for an?)?)\s(?:\w+\s)?<gpu>\b[^.]{0,45}(?:required|needed|necessary)",
        r"\b(?:not|n't|never|no need to|nor)\s(?:\w+\s)?(?:require|need|have|depend on|necessar\w*)\b"
        r"(?![^.]{0,20}\binstall)[^.]{0,30}\b<gpu>\b",
        r"\b<gpu>\b[^.]{0,30}\b(?:is|are)(?: not|n't) (?:strictly |absolutely )?(?:required|needed"
        r"|necessary|mandatory)",
    ),
    _phrase(
        "gpu-optional", 0.9,
        r"\boptional(?:ly)?\b[^.]{0,60}\b<gpu>\b",
        r"\b<gpu>\b[^.]{0,60}\boptional(?:ly)?\b",
    ),
    _phrase(
        "cpu-and-gpu", 0.8,
        r"\bcpus?\b[^.]{0,16}(?:\band\b|\bor\b|/|,|&|\bas well as\b)[^.]{0,40}\bgpus?\b",
        r"\bgpus?\b[^.]{0,16}(?:\band\b|\bor\b|/|,|&|\bas well as\b)[^.]{0,40}\bcpus?\b",
    ),
    _phrase(
        "cpu-instead", 0.8,
        r"\bcpus?\b[^.]{0,20}\b(?:instead of|rather than)\b[^.]{0,15}\b<gpu>\b",
        r"\bskip\b[^.]{0,60}\bcpus?\b",
    ),
    _phrase(
        "gpu-among-models", 0.75,
        r"\b(?:openmp|kokkos|raja|sycl|tbb|openacc|opencl)\b[^.]{0,80}\b(?:cuda|hip)\b",
        r"\b(?:cuda|hip)\b[^.]{0,80}\b(?:openmp|kokkos|raja|sycl|tbb|openacc|opencl)\b",
    ),
    _phrase(
        "gpu-if-there", 0.6,
        r"\b(?:if|when|where|whether|in case|unless)\b[^.]{0,60}\b<gpu>\b[^.]{0,40}"
        r"\b(?:available|present|installed|detected|exists?)",
        r"\bif (?:you|your|there|using|building|compiling|running)\b[^.]{0,50}\b<gpu>\b",
        r"\b<gpu>\b[^.,]{0,12}\b(?:may |might |will |also |builds? |support |version )?(?:requires?|needs?)\b",
        r"\bfor (?:cuda|hip|gpus?)\b[^.]{0,40}\bsupport\b",
        r"\b(?:available|present) <gpu>\b",
    ),
    _phrase(
        "gpu-supported", 0.5,
        r"\bfaster\b[^.]{0,60}\b(?:on|with|using) (?:an? |the )?<gpu>\b",
        r"\((?:[^()]{0,30}\b)?(?:requires?|needs?)\b[^()]{0,30}\b<gpu>\b[^()]{0,30}\)",
        r"\((?:only )?for (?:the )?[^()]{0,30}\b<gpu>[^()]{0,30}\)",
        r"\b(?:gpu|cuda|nvidia) (?:plug-?ins?|extra|extension|module|support|acceleration|version"
        r"|build|mode|users?|backend|processing|image|feature"
        r"|enabled|kernels?)\b",
        r"\b(?:supports?|enable|faster|speeds? ?up|accelerate[ds]?|recommend\w*|for|with|prefer\w*|benefit\w*|helps?"
        r"|can (?:also )?(?:be )?(?:used?|run|utili[sz]e|leverage|make use of|take advantage))\b"
        r"[^.]{0,40}\b<gpu>\b[^.]{0,20}\b(?:faster|accelerat\w+|recommended|users?|support|helps?)",
        r"\b<gpu>\b[^.]{0,40}\b(?:is|are)\b[^.]{0,20}\brecommended\b",
        r"\brecommend\w*\b[^.]{0,40}\b<gpu>\b",
        r"(?<!designed )(?<!meant )(?<!intended )\b(?:to (?:use|enable|run on|leverage|utili[sz]e)|supports?"
        r"|can (?:also )?(?:use|run on|be run on|utili[sz]e|leverage))\b[^.]{0,25}"
        r"\b(?:gpus?|cuda(?!(?: toolkit)? ?\d))\b",
    ),
)  # fmt: skip
"""A GPU is spoken of, and one can do without."""

WAYS_ROUND = (
    _phrase(
        "cpu-only", 0.7,
        r"\bcpu[- ]only\b",
        r"\b(?:only|entirely|purely|just|solely) (?:on|uses?) (?:the |a |your )?cpu",
        r"\bpure cpu\b",
        r"\bonly (?:the |a )?cpus?\b",
        r"\bon (?:ordinary|regular|conventional|normal|standard|consumer|your own) (?:\w+ )?laptops?\b",
        r"\bwithout (?:an? |any )?(?:gpu|cuda)",
    ),
    _phrase(
        "cpu-too", 0.55,
        r"\b(?:on|with|using|to|for) (?:the |a |your |multi-?core )?cpus?\b",
        r"--?device[ =]['\"]?cpu",
        r"['\"]cpu['\"]",
        r"--(?:use[-_])?cpu\b",
        r"\bcpu (?:mode|version|inference|build|deployment|fallback|instead|backend)",
        r"\bno[-_ ]gpu\b",
        r"--no[-_]cuda",
    ),
)  # fmt: skip
"""How it is done without a GPU."""

NEEDS = (
    _phrase(
        "gpu-is-the-point", 0.8,
        r"\bgpu[- ](?:accelerated|native|powered|programming|computing|puzzles)\b",
        r"\b(?:programming|training|running|inference|models?|simulat\w+) [^.]{0,40}"
        r"\bon (?:nvidia |multiple |many |modern )?gpus\b",
        r"\bprogramming (?:nvidia|amd) gpus",
        r"\bcuda (?:samples|kernels|implementation)",
        first=6,
    ),
    _phrase(
        "gpu-needed", 0.9,
        r"\b(?:requires?|required|requiring|needs?|needed|must have|need to have|you(?:'ll| will) (?:need|want)"
        r"|necessary|mandatory|prerequisites?)\b[^.]{0,60}\b<gpu>\b",
        r"\b<gpu>\b[^.]{0,60}\b(?:is|are|be)\s(?:\w+\s)?(?:required|needed|necessary|mandatory|a must)",
        r"\b<gpu>\s?(?:\(?required\)?)",
        r"\b(?:designed|meant|intended) to (?:be )?run on (?:[\w-]+ ){0,4}<gpu>",
        r"\b(?:only|exclusively) (?:works?|runs?|supports?|tested|available) (?:\w+ )?(?:on|with|for)?[^.]{0,20}"
        r"\b<gpu>\b",
    ),
    _phrase(
        "gpu-memory", 0.85,
        r"\d{1,6}(?:\.\d{1,3})?\s?(?:g|gi?b)\b\)?\s?(?:or more |\+ ?)?(?:of )?(?:\w+ )?"
        r"(?:vram|gpu (?:memory|ram|vram)|graphics memory|graphics card|video memory|video ram)",
        r"\b(?:vram|gpu|gpus|gpu memory|graphics card)\b[^.]{0,30}(?:at least|>=|\u2265|with|:|minimum|of)\s?[^.]{0,12}"
        r"\d{1,6}(?:\.\d{1,3})?\s?gi?b\b",
    ),
    _phrase(
        "gpus-named", 0.6,
        r"\b(?:test(?:ed|ing)?|train(?:ed|s|ing)?|r[au]n(?:s|ning)?|experiments?|develop(?:ed|ment)|reproduc\w+"
        r"|evaluat\w+|fine-?tun\w+|takes?|fits?|pretrain\w*|launch\w*)\b[^.]{0,80}"
        r"\b(?:(?:\d{1,4}|one|two|four|eight|single|multiple|several|an?)[\s-]?<x>?\s?)?(?:nvidia\s|<card>|gpus?\b)",
    ),
    _phrase("gpu-runtime", 0.7, r"\bgpu (?:mode|runtime)", r"runtime[^.]{0,30}\bgpu\b"),
    _phrase(
        "gpu-work", 0.65,
        r"\bgpu[- ](?:accelerated|native|powered|enabled|programming|computing|puzzles|kernels?|samples|tests|mode)\b",
        r"\b(?:on|for|in|using|with|via|of)\s(?:the\s|nvidia\s|multiple\s|many\s|multi[- ])?(?:gpus?|cuda)\b",
        r"\bcuda\b",
        r"\brocm\b",
        r"\bhip\b",
        first=30,
    ),
)  # fmt: skip
"""A GPU is asked for, or is what it is all about."""

CODE_NEEDS = (
    _phrase(
        "gpu-command", 0.5,
        r"--gpus[ =]|nvidia-docker|--runtime[ =]nvidia|CUDA_VISIBLE_DEVICES=['\"]?\d",
        r"\btorchrun\b|torch\.distributed\.(?:launch|run)|\baccelerate launch\b|^\$?\s?deepspeed\s",
        r"--nproc[-_]per[-_]node|--(?:num|n)[-_]?gpus?[ =][1-9]",
        r"\.to\(['\"]cuda|\.cuda\(\)|device\s?=\s?['\"]cuda|@cuda",
        r"--gres=gpu|\bnvcc\b|cudatoolkit|pytorch-cuda|CUDA_HOME|--offload-arch|--device=/dev/kfd",
    ),
)  # fmt: skip
CODE_WAYS_ROUND = (
    _phrase(
        "cpu-command", 0.55,
        r"--?device[ =]['\"]?cpu|['\"]cpu['\"]|--(?:use[-_])?cpu\b|--no[-_](?:gpu|cuda)\b",
        r"whl/cpu|\bcpuonly\b|_cpu\b|[-:]cpu\b|\bcpu\(\)",
    ),
)  # fmt: skip
"""The same for lines of code."""

MOVED = compiled(
    r"\b(?:mov(?:e|es|ed|ing)|plac(?:e|es|ed|ing)|offload\w*|transfer\w*|cop(?:y|ies|ied|ying)|swap\w*|sync\w*"
    r"|back|stream\w*|traffic|bandwidth|between|overlap\w*)\b[^.]{0,40}\b(?:cpus?|host|<gpu>)\b"
)
"""Data goes from one to the other: both are there."""
ASIDE = late(
    r"news|change ?log|(?<!stable )(?<!latest )release|updates?\b|acknowledg|citation|citing|references?\b"
    r"|related|roadmap|to-?do|contribut"
    r"|benchmark|performance|faq|license|history|changes|what'?s new|contents|credits|papers?\b|publications|awesome"
    r"|monitor"
    r"|troubleshoot|known issues|supported compilers|showcase|community|other |third|blog|advanced"
)
"""Headings under which a GPU is spoken of without being asked for."""
PURPOSE = compiled(r"\((?:only |needed |required )?for (?:the )?[^()]{0,30}\b<gpu>[^()]{0,30}\)")
"""What is listed is for those who want a GPU."""
SHOWN = late(r"(?i)\bdemos?\b|\bcolab\b|\bnotebooks?\b|\bvisuali[sz]|\bplayground\b|\bunit tests?\b")
"""What can be tried without a GPU says little about the rest."""
WATCHES = late(
    r"(?i)\b(?:system|gpu|process|resource|hardware|server|nvidia|network|infrastructure|device)s?(?: \w+)?[ -]monitor"
    r"|\bmonitor(?:s|ing)? (?:\w+ ){0,3}(?:systems?|gpus?|process(?:es)?|resources?|hardware|servers?)\b"
)
"""What looks at machines computes nothing on them."""
LISTED = compiled(
    r"^(?:an? |at least |\d |one )?(?:[\w-]+ ){0,2}<gpu>\b(?!.*(?:optional|recommended|\bif\b|\bcpu|only for|for gpu))"
)
"""What stands in a list of requirements and begins with a GPU."""
CHOSEN = compiled(
    r"\b(?:gpu|cuda|nvidia|rocm)\b[^/]{0,20}\b(?:support|accelerat\w*|version|build|docker|users?|container)",
    r"\b(?:with|using|for|on) (?:an? |the )?(?:nvidia|cuda|gpus?|rocm)\b",
)
"""Headings over what those read who chose to use a GPU."""
ASKING = late(r"requirement|prerequisite|hardware|system req|dependenc|before you|what you need")
"""Headings under which naming a GPU is asking for it."""
AGAINST = late(r"(?i)\bvs\b|\bversus\b|\bcompar(?:ed|ison|ing)\b|\bresults are (?:shown|illustrated|below)\b")
"""It was measured on that, against something else."""
SHARED = late(r"(?i)\bshar(?:ed|ing|eable)\b|\bslic(?:e|ing|eable)|\bMIG\b|\bpartition")
"""One GPU for several."""
OURS = late(r"(?i)\b(?:my|our|i|we) (?:\w+ ){0,3}(?:trained|setup|used|ran|machine|training)|\bgraciously")
"""What the authors had."""
