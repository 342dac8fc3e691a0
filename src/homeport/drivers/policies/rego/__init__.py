# SPDX-License-Identifier: Apache-2.0
"""Decisions by an embedded Rego engine, in a process of its own. The shipped policies are in `policies/`."""

from homeport.drivers.policies.rego.policy import Options, RegoPolicy

__all__ = ["Options", "RegoPolicy"]
