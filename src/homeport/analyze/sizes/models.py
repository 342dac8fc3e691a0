# SPDX-License-Identifier: Apache-2.0
"""From the name of a model to its number of parameters: what stands in the name, else a table of families."""

from __future__ import annotations

import re
from dataclasses import dataclass

from homeport.analyze.pattern import late

_IN_NAME = late(
    r"(?i)(?<![a-z0-9.])(?:(\d{1,2})\s?x\s?)?(\d{1,4}(?:[._]\d{1,3})?)\s?([bm])(?![a-z0-9])(?!\s?(?:it/s|tokens))"
)
_WEIGHTS = late(r"(?i)\.(?:pth|pt|ckpt|onnx|engine|tflite)$")
_ACTIVE = late(r"(?i)-a(\d{1,3}(?:\.\d)?)b\b")
_FAMILIES = (
    (r"whisper[-_ .]?(?:large|turbo)|large-v[23]", 1.55),
    (r"whisper[-_ .]?medium", 0.77), (r"whisper[-_ .]?small", 0.24),
    (r"whisper[-_ .]?base", 0.074), (r"whisper[-_ .]?tiny", 0.039),
    (r"stable-diffusion-xl|sdxl|sd_xl", 3.5), (r"stable-diffusion-3(?:\.5)?-large", 8.1), (r"stable-diffusion-3", 2.5),
    (r"flux\.?1?", 12.0), (r"stable-diffusion|sd-?v?1[.-][45]|sd-?v?2", 1.1), (r"kandinsky", 4.6), (r"pixart", 0.9),
    (r"mixtral", 46.7), (r"mistral-large", 123.0), (r"mistral-small", 22.0), (r"mistral", 7.2), (r"phi-?2\b", 2.7),
    (r"phi-?3-mini", 3.8), (r"gpt-?neox", 20.0), (r"gpt-?j\b", 6.0), (r"gpt-?2-xl", 1.5), (r"gpt-?2-large", 0.77),
    (r"gpt-?2-medium", 0.35), (r"gpt-?2\b", 0.124), (r"bert-large|roberta-large", 0.34), (r"bert|roberta|minilm", 0.11),
    (r"t5-small", 0.06), (r"t5-base", 0.22), (r"t5-large", 0.77), (r"t5-xxl", 11.0), (r"t5-xl", 3.0),
    (r"bloomz?\b", 176.0),
    (r"clip-vit-large|vit-large", 0.43), (r"clip|vit-base", 0.15), (r"sam-?vit-?h|segment-anything", 0.64),
    (r"resnet-?\d{2,3}", 0.06), (r"yolo", 0.07), (r"bark", 1.0), (r"musicgen-large", 3.3), (r"musicgen", 1.5),
    (r"falcon", 7.0), (r"chatglm", 6.2), (r"deepseek-(?:v3|r1)(?!.*distill)", 671.0), (r"dbrx", 132.0),
)  # fmt: skip
_FAMILY = tuple((late(rf"(?i)(?:^|[/_.-]|\b)(?:{pattern})"), billions) for pattern, billions in _FAMILIES)
_BITS = (
    (late(r"(?i)\b(?:int4|4[- ]?bit|load_in_4bit|q4_\w{1,4}|nf4|gptq|awq|fp4|iq4)(?:\b|_)"), 4),
    (late(r"(?i)\b(?:int8|8[- ]?bit|load_in_8bit|q8_0|fp8|w8a8)\b"), 8),
    (late(r"(?i)\b(?:fp32|float32|f32)\b"), 32),
    (late(r"(?i)\b(?:fp16|bf16|float16|bfloat16|half\(\)|f16)\b|\.half\("), 16),
)


@dataclass(frozen=True, slots=True)
class Model:
    """`billions` of parameters, all of them: experts that rest are in memory as well. `bits` of each, 0 if unsaid."""

    name: str
    billions: float
    bits: int = 0


def read_model(name: str) -> Model | None:
    """None for a name that tells no size. `Mixtral-8x7B` is taken from the table, since its experts share layers."""
    text = name[:200]
    if _WEIGHTS.search(text):  # a number in a file of weights may count anything, for example blocks
        return None
    if re.search(r"(?i)mixtral-8x22b", text):
        return Model(name, 141.0, bits_in(text))
    plain = _ACTIVE.sub("", text)
    found = _IN_NAME.search(plain)
    if found and not re.search(r"(?i)mixtral", text):
        size = float(found[2].replace("_", ".")) * (int(found[1]) if found[1] else 1)
        billions = size if found[3].lower() == "b" else size / 1000
        return Model(name, round(billions, 4), bits_in(text)) if 0.005 <= billions <= 2000 else None
    for pattern, billions in _FAMILY:
        if pattern.search(text):
            return Model(name, billions, bits_in(text))
    return None


def bits_in(text: str) -> int:
    """Bits of a weight by the words for number formats and quantisations; 0 where there are none."""
    return next((bits for pattern, bits in _BITS if pattern.search(text)), 0)
