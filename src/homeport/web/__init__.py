# SPDX-License-Identifier: Apache-2.0
"""The read-only dashboard (a later room: nothing is served here yet)."""
