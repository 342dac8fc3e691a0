# SPDX-License-Identifier: Apache-2.0
"""Linode's plans, prices, regions and images, from its public API: no account, nothing but GET.

Belongs here: the shapes of that API and what they mean. Does not belong here: making anything (see `drivers/clouds`).
"""

from homeport.drivers.factsources.linode.source import LinodeFacts, Options

__all__ = ["LinodeFacts", "Options"]
