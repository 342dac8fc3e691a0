# SPDX-License-Identifier: Apache-2.0
"""The records: frozen, slotted dataclasses, a module per noun.

Belongs here: plain data with units in the names, and rules that need nothing but the data itself.
Does not belong here: I/O, clocks, randomness, defaults that depend on the machine, anything of a vendor.
Times are integer microseconds since the epoch (`*_us`), sizes are bytes, durations are seconds (float).
"""
