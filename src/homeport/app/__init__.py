# SPDX-License-Identifier: Apache-2.0
"""The only place that joins stages to drivers: composition, the loops, and `carry`, which performs commands."""
