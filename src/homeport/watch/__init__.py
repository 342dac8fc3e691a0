# SPDX-License-Identifier: Apache-2.0
"""Probes, exits and logs → Finding. Pure but for what the interfaces bring in."""
