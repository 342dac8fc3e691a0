# SPDX-License-Identifier: Apache-2.0
"""What stages need from the world, as protocols; each method's docstring is its contract.

Belongs here: protocols, the small records only they use, and `extension_points`, the one list of every driver.
Does not belong here: implementations, defaults, anything imported from a vendor.
For each method: is it idempotent, who retries, and what does "already gone" mean.
"""
