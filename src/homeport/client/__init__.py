# SPDX-License-Identifier: Apache-2.0
"""The one API client, sync and async: over api.sock on this machine, or HTTP with a token. No logic."""
