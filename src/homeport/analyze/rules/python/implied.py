# SPDX-License-Identifier: Apache-2.0
"""What dependencies imply: a GPU, memory. The tables are the rules."""

from __future__ import annotations

import re

from homeport.analyze.claims import Claims
from homeport.analyze.repo import Repo
from homeport.analyze.rules.python.declared import Declared, is_requirements
from homeport.model.evidence import Origin
from homeport.model.requirements import GpuNeed

_GIB = 1024**3
_NEED_GPU = {
    "vllm": 0.8, "bitsandbytes": 0.7, "flash-attn": 0.85, "deepspeed": 0.75, "xformers": 0.7, "tensorrt": 0.85,
    "tensorrt-llm": 0.9, "onnxruntime-gpu": 0.8, "tensorflow-gpu": 0.8, "faiss-gpu": 0.8, "cudf": 0.85, "cuml": 0.85,
    "auto-gptq": 0.8, "autoawq": 0.8, "sglang": 0.8, "triton": 0.6, "nvidia-dali-cuda120": 0.85, "apex": 0.5,
    "unsloth": 0.85, "pycuda": 0.85, "mamba-ssm": 0.85,
}  # fmt: skip
_NEED_GPU_PREFIXES = ("cupy-cuda", "nvidia-cublas", "nvidia-cudnn", "nvidia-cuda", "cudf-cu", "cuml-cu", "rapids-")
_MAY_USE_GPU = frozenset("torch torchvision tensorflow jax keras accelerate cupy numba paddlepaddle mxnet".split())
_MEMORY = {
    "torch": 2 * _GIB, "tensorflow": 2 * _GIB, "transformers": 4 * _GIB, "vllm": 16 * _GIB, "jax": 2 * _GIB,
    "sentence-transformers": 3 * _GIB, "diffusers": 8 * _GIB, "pyspark": 4 * _GIB, "llama-cpp-python": 4 * _GIB,
}  # fmt: skip
_CUDA_INDEX = re.compile(
    r"(?i)--(?:extra-)?index-url\s{0,3}=?\s{0,3}\S{0,100}/cu1?\d{2}\b|\btorch\S{0,40}\+cu\d{2,3}\b"
)
_MOST_MEMORY_FIRST = sorted(_MEMORY.items(), key=lambda item: -item[1])


def read(repo: Repo, claims: Claims, declared: Declared) -> None:
    for one in declared.dependencies:
        sure = _NEED_GPU.get(one.name, 0.7 if one.name.startswith(_NEED_GPU_PREFIXES) else 0.0)
        if not sure and one.name not in _MAY_USE_GPU:
            continue
        needed = bool(sure) and not one.extra
        claims.add(
            "gpu",
            GpuNeed.NEEDED if needed else GpuNeed.OPTIONAL,
            Origin.DEPENDENCY,
            file=one.file,
            line=one.line,
            rule="python.gpu-dependency" if needed else "python.gpu-capable-dependency",
            confidence=sure if needed else 0.5,
            text=one.text,
        )
    _read_indexes(repo, claims)
    for name, size in _MOST_MEMORY_FIRST:
        found = next((one for one in declared.dependencies if one.name == name and not one.extra), None)
        if found:
            claims.add("memory_bytes", size, Origin.DEPENDENCY, file=found.file, line=found.line,
                       rule="python.heavy-dependency", confidence=0.4, text=found.text)  # fmt: skip
            return


def _read_indexes(repo: Repo, claims: Claims) -> None:
    for file in (path for path in repo.paths if is_requirements(path)):
        for number, line in enumerate(repo.lines(file), 1):
            if "cu" in line and not line.lstrip().startswith("#") and _CUDA_INDEX.search(line):
                claims.add("gpu", GpuNeed.NEEDED, Origin.DEPENDENCY, file=file, line=number,
                           rule="python.cuda-build", confidence=0.65, text=line)  # fmt: skip
