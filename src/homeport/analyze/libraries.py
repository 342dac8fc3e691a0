# SPDX-License-Identifier: Apache-2.0
"""What libraries mean for the machine, by the names they are installed under. The tables are the rules."""

from __future__ import annotations

from homeport.analyze.pattern import late

GIB = 1024**3
NEED_GPU = {
    "vllm": 0.8, "bitsandbytes": 0.65, "flash-attn": 0.85, "deepspeed": 0.7, "xformers": 0.6, "tensorrt": 0.85,
    "tensorrt-llm": 0.9, "onnxruntime-gpu": 0.7, "tensorflow-gpu": 0.75, "faiss-gpu": 0.75, "cudf": 0.85, "cuml": 0.85,
    "auto-gptq": 0.7, "autoawq": 0.75, "sglang": 0.8, "triton": 0.6, "apex": 0.55, "unsloth": 0.85, "pycuda": 0.85,
    "mamba-ssm": 0.85, "causal-conv1d": 0.7, "transformer-engine": 0.85, "pynvml": 0.0, "nvidia-ml-py": 0.0,
    "torch-tensorrt": 0.8, "exllamav2": 0.8, "spconv": 0.6, "tinycudann": 0.85, "nvdiffrast": 0.8, "megatron-core": 0.8,
    "pytorch-cuda": 0.7, "cudatoolkit": 0.65, "cuda-toolkit": 0.6, "cuda-nvcc": 0.6, "cudatoolkit-dev": 0.65,
}  # fmt: skip
"""How sure one is that nobody installs it on a machine without a GPU; 0 for what only reads them."""
NEED_GPU_PREFIXES = (
    "cupy-cuda",
    "nvidia-dali-cuda",
    "cudf-cu",
    "cuml-cu",
    "rapids-",
    "spconv-cu",
    "cugraph",
    "cuvs-cu",
)
MAY_USE_GPU = frozenset(
    "torch torchvision torchaudio pytorch tensorflow jax keras accelerate cupy numba paddlepaddle mxnet diffusers peft "
    "lightning pytorch-lightning ctransformers faster-whisper openai-whisper ultralytics".split()
)
NOT_NVIDIA = {
    "mlx": "apple", "mlx-lm": "apple", "coremltools": "apple", "tensorflow-metal": "apple", "torch-xla": "tpu",
    "libtpu": "tpu", "libtpu-nightly": "tpu", "pytorch-rocm": "amd", "tensorflow-rocm": "amd",
    "intel-extension-for-pytorch": "intel", "habana-torch-plugin": "intel",
}  # fmt: skip
MEMORY = {
    "torch": 2 * GIB, "pytorch": 2 * GIB, "tensorflow": 2 * GIB, "transformers": 4 * GIB, "vllm": 16 * GIB,
    "jax": 2 * GIB, "sentence-transformers": 3 * GIB, "diffusers": 8 * GIB, "pyspark": 4 * GIB,
    "llama-cpp-python": 4 * GIB,
}  # fmt: skip
"""An honest guess of the memory that a small program with it takes."""
_CUDA_BUILD = late(r"whl/(?:\w+/)?cu(\d{2,3})\b|\+cu(\d{2,3})\b|-cuda?(\d{2,3})\b")
_CPU_BUILD = late(r"whl/(?:\w+/)?cpu\b|\+cpu\b|pytorch-cpu\b|\bcpuonly\b")


def needs_gpu(name: str) -> float:
    """How sure one is; 0.0 for a library that says nothing."""
    return NEED_GPU.get(name, 0.75 if name.startswith(NEED_GPU_PREFIXES) else 0.0)


def cuda_build(text: str) -> str:
    """The CUDA version of a wheel or an index of wheels, "12.4" for cu124; "" where there is none."""
    found = _CUDA_BUILD.search(text)
    digits = next((part for part in found.groups() if part), "") if found else ""
    if len(digits) == 3:
        return f"{digits[:2]}.{digits[2]}"
    if len(digits) == 2:
        return digits if digits in ("10", "11", "12", "13") else f"{digits[0]}.{digits[1]}"
    return ""


def cpu_build(text: str) -> bool:
    """Whether a line asks for builds that use no GPU."""
    return bool(_CPU_BUILD.search(text))
