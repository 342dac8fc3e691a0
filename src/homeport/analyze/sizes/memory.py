# SPDX-License-Identifier: Apache-2.0
"""Memory and disk that a model takes, by what is done with it. All in bytes; rules of thumb, on the safe side."""

from __future__ import annotations

from enum import StrEnum

_GIB = 1 << 30
_HEADROOM = 1.2  # activations, the runtime's own context, fragments
_CONTEXT = _GIB  # what CUDA and a framework take before any model


class Work(StrEnum):
    INFERENCE = "inference"
    TRAINING = "training"
    """All weights move: gradients and Adam's two moments beside them, sixteen bytes a parameter in mixed precision."""
    LORA = "lora"
    """The weights rest; a hundredth of them is trained."""


def vram_for(billions: float, *, bits: int = 16, work: Work = Work.INFERENCE, tokens: int = 4096) -> int:
    """Memory of the GPUs together. `bits` of a resting weight; `tokens` of context that are kept (KV cache)."""
    weights = billions * 1e9 * bits / 8
    if work is Work.TRAINING:
        return int(billions * 1e9 * 16 * _HEADROOM) + _CONTEXT
    if work is Work.LORA:
        return int((weights + billions * 1e9 * 0.01 * 16) * 1.35) + 2 * _CONTEXT
    return int(weights * _HEADROOM + cache_for(billions, tokens)) + _CONTEXT


def cache_for(billions: float, tokens: int) -> int:
    """The KV cache of one sequence: about half a megabyte a token at 7 billion, growing slower than the model."""
    return int(tokens * 0.5 * (1 << 20) * (max(billions, 0.05) / 7) ** 0.6)


def memory_for(billions: float, *, bits: int = 16) -> int:
    """Of the machine, while the weights are loaded: once through memory, and the program."""
    return int(billions * 1e9 * bits / 8 * 1.1) + 2 * _GIB


def disk_for(billions: float, *, bits: int = 16, work: Work = Work.INFERENCE) -> int:
    """The weights as they are fetched, and for training three checkpoints with the optimiser's state."""
    weights = billions * 1e9 * bits / 8
    kept = 3 * billions * 1e9 * 14 if work is Work.TRAINING else 0
    return int(weights * 1.1 + kept) + 10 * _GIB
