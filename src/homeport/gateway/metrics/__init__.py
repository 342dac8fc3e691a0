# SPDX-License-Identifier: Apache-2.0
"""What the data plane tells Prometheus: counted as it happens without a lock, looked up only when it is asked.

Belongs here: the list of what there is, counting, the text format. Does not belong here: deciding anything by it."""

from homeport.gateway.metrics.counts import Metrics
from homeport.gateway.metrics.families import Family, Reading

__all__ = ["Family", "Metrics", "Reading"]
