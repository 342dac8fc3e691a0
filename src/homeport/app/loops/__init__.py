# SPDX-License-Identifier: Apache-2.0
"""Long-running loops. Each drives one pure `step(state, event, now) → (state, commands)` of a stage."""
