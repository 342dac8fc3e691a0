# SPDX-License-Identifier: Apache-2.0
"""How large a model is, and what memory it takes: pure functions over names and numbers, no network.

Estimates: whoever uses them says so, and everything that is written down goes before them."""

from homeport.analyze.sizes.memory import Work, disk_for, memory_for, vram_for
from homeport.analyze.sizes.models import Model, bits_in, read_model

__all__ = ["Model", "Work", "bits_in", "disk_for", "memory_for", "read_model", "vram_for"]
