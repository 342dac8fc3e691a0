# SPDX-License-Identifier: Apache-2.0
"""Everything that touches the world, one folder per driver, none importing another.

Each driver implements one protocol of `interfaces`, declares frozen `Options`, and passes that interface's suite."""
