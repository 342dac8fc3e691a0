# SPDX-License-Identifier: Apache-2.0
"""Agents in containers of a Docker engine, or of Podman by the same interface.

Belongs here: what is asked of the engine and what its answers mean. Only `connection.py` speaks to it.
Does not belong here: how an engine is installed or started; what an agent is, beyond its `InstanceSpec`.

An agent's container has no published port, no capability, no way to the host, and the limits of its workload. The
engine's labels say whose it is; `records.py` holds only what the engine cannot tell: the order of events.
"""
