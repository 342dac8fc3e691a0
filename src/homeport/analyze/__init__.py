# SPDX-License-Identifier: Apache-2.0
"""Source → Requirements, every value with its evidence. Pure: reads a FileView, decides, never executes.

Belongs here: rules (one module per ecosystem under `rules/`) and how conflicts between them are settled.
Does not belong here: prices, machines, anything that needs a network or a clock."""

from homeport.analyze.analysis import analyze
from homeport.analyze.explain import explain_no_start

__all__ = ["analyze", "explain_no_start"]
