# SPDX-License-Identifier: Apache-2.0
"""Agents files: one agent's description, and the source that it names."""

from homeport.drivers.fetchers.agents.fetcher import AgentsFetcher, Options

__all__ = ["AgentsFetcher", "Options"]
