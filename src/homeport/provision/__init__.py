# SPDX-License-Identifier: Apache-2.0
"""Plan → Machine, as durable steps that are compensated on failure. Talks to Cloud and Steps only.

Belongs here: the saga's part that obtains a machine, and the tag that finds it again.
Does not belong here: any cloud's API, choosing an offer (see `plan`), what runs on the machine (see `run`).
"""

from homeport.provision.machine import provision
from homeport.provision.tags import TAG, owner_tag

__all__ = ["TAG", "owner_tag", "provision"]
