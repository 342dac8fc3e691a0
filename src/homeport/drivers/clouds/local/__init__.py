# SPDX-License-Identifier: Apache-2.0
"""This machine as a cloud: one offer, free, always the same machine.

Belongs here: measuring the machine, and the register of what was taken from it.
Does not belong here: starting anything on it (see `drivers/runtimes`).
"""

from homeport.drivers.clouds.local.cloud import LocalCloud, Options

__all__ = ["LocalCloud", "Options"]
