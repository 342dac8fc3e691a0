# SPDX-License-Identifier: Apache-2.0
"""Homeport: from a repository to a running, self-healing AI agent."""

__version__ = "0.1.0"
