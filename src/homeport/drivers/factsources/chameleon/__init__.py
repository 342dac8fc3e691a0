# SPDX-License-Identifier: Apache-2.0
"""Chameleon's nodes, from its public reference API: no account, nothing but GET.

Belongs here: the shapes of that API and what they mean. Does not belong here: leases (see `drivers/clouds`).
"""

from homeport.drivers.factsources.chameleon.source import ChameleonFacts, Options

__all__ = ["ChameleonFacts", "Options"]
